//! A sample of the tests on each release but the one that all other tests run on.

use crate::support::{App, Host, Image, Release, deployed_on};
use crate::{faults, first_deploy, rollback, setup, takeover};

/// The tests that every release passes, in a module named after it: tests/run counts by these names.
macro_rules! sample {
    ($module:ident, $release:expr, $name:literal, $fresh:expr) => {
        mod $module {
            use super::*;

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
        }
    };
}

sample!(debian_12, Release::Bookworm, "Debian 12", Image::Bare);
sample!(
    debian_testing,
    Release::Testing,
    "Debian testing",
    Image::Bare
);
// What its mirrors serve cannot be had here.
sample!(like_ubuntu, Release::Ubuntu, "like Ubuntu", Image::Ready);

#[test]
fn debian_12_is_taken_over() {
    takeover::take_over(&Host::boot_release(Release::Bookworm, Image::Ready));
}

#[test]
fn debian_testing_is_taken_over() {
    takeover::take_over(&Host::boot_release(Release::Testing, Image::Ready));
}
