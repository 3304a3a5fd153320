//! A sample of the tests on each release other than the default. tests/run counts them by the names of modules and tests.

use crate::support::{App, Host, Image, Release, deployed_on};
use crate::{faults, first_deploy, launcher, rollback, setup, takeover};

/// The tests that run on every release; `$fresh` is the image for first deploys.
macro_rules! sample {
    ($release:expr, $fresh:expr, $name:literal) => {
        #[test]
        fn django_with_pip() {
            first_deploy::django_with_pip(&Host::boot_release($release, $fresh));
        }

        #[test]
        fn fastapi_with_uv() {
            first_deploy::fastapi_with_uv(&Host::boot_release($release, $fresh));
        }

        #[test]
        fn the_second_setup_changes_nothing() {
            let host = Host::boot_release($release, Image::Ready);
            setup::set_up_twice(&host, App::Django);
        }

        #[test]
        fn back_and_forth() {
            rollback::back_and_forth(deployed_on($release, App::Django));
        }

        #[test]
        fn whatever_hits_a_run_leaves_one_whole_release() {
            faults::hit($release, $name, "shared", 1);
        }
    };
}

/// Not for Ubuntu: the Python tool logs in as root, which its cloud images do not allow.
macro_rules! taken_over {
    ($release:expr) => {
        #[test]
        fn a_host_of_the_python_tool_is_taken_over() {
            takeover::take_over(&Host::boot_release($release, Image::Ready));
        }
    };
}

mod debian_12 {
    use super::*;
    sample!(Release::Bookworm, Image::Bare, "Debian 12");
    taken_over!(Release::Bookworm);

    #[test]
    fn migrate_and_the_app_get_the_same_env() {
        launcher::get_the_same_env(Release::Bookworm);
    }
}

mod debian_testing {
    use super::*;
    sample!(Release::Testing, Image::Bare, "Debian testing");
    taken_over!(Release::Testing);
}

mod like_ubuntu {
    use super::*;
    sample!(Release::Ubuntu, Image::Ready, "like Ubuntu");
}
