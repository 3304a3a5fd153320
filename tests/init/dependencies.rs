//! How `init` handles lock files and requirements files.

use crate::app::{FASTAPI, MANAGE, checkout, has, init};

/// uv installs a project from the lock of another package manager.
#[test]
fn the_locks_of_poetry_and_pdm_come_with_a_command() {
    let project = ("backend/pyproject.toml", "[project]\nname = \"shop\"\n");
    for (lock, command) in [
        (
            "backend/poetry.lock",
            "uv tool run --from poetry --with poetry-plugin-export poetry export --output \\\"$PWD/.requirements.txt\\\" \
             && uv pip install --compile-bytecode --requirement .requirements.txt",
        ),
        (
            "pdm.lock",
            "uv tool run --with 'hishel<2' pdm export --prod --project .. --output \\\"$PWD/.requirements.txt\\\" \
             && uv pip install --compile-bytecode --requirement .requirements.txt",
        ),
    ] {
        let text = "[[package]]\nname = \"gunicorn\"\n";
        let directory = checkout(&[("backend/manage.py", MANAGE), project, (lock, text)]);
        let (lines, said) = init(&directory, &[]);
        has(&lines, "package_manager: \"uv\"");
        has(
            &lines,
            &format!("dependency_install_command: \"{command}\""),
        );
        assert!(!lines.iter().any(|line| line.starts_with("dependency_file")));
        assert!(!said.contains("warning"), "{said}");
    }
    let directory = checkout(&[("manage.py", MANAGE), ("poetry.lock", "")]);
    let (_, said) = init(&directory, &[]);
    let says =
        "warning: poetry.lock has no gunicorn, which the unit starts; run `poetry add gunicorn`";
    assert!(said.contains(says), "{said}");
}

#[test]
fn a_server_that_is_not_among_the_dependencies_is_named() {
    let fastapi = ("app/main.py", FASTAPI);
    let django = ("manage.py", MANAGE);
    for (files, says) in [
        (
            &[django, ("requirements.txt", "Django\n# gunicorn\n")][..],
            "warning: requirements.txt has no gunicorn, which the unit starts; add the line `gunicorn`",
        ),
        (
            &[fastapi, ("requirements.txt", "fastapi\n")],
            "warning: requirements.txt has no uvicorn, which the unit starts; add the line `uvicorn`",
        ),
        (
            &[fastapi, ("uv.lock", "[[package]]\nname = \"fastapi\"\n")],
            "warning: uv.lock has no uvicorn, which the unit starts; run `uv add uvicorn`",
        ),
        (
            &[
                django,
                ("pyproject.toml", "[project]\ndependencies = [\"Django\"]\n"),
            ],
            "warning: pyproject.toml has no gunicorn, which the unit starts; run `uv add gunicorn`",
        ),
        (
            &[django],
            "warning: requirements.txt is not in the checkout; name what lists the dependencies with --dependency-file\n",
        ),
        (
            &[django, ("requirements.txt", "Gunicorn[gevent]==23\n")],
            "",
        ),
        (&[fastapi, ("requirements.txt", "fastapi[standard]\n")], ""),
        (
            &[
                fastapi,
                ("requirements.txt", "fastapi\nuvicorn[standard]==1\n"),
            ],
            "",
        ),
        (
            &[fastapi, ("uv.lock", "[[package]]\nname = \"uvicorn\"\n")],
            "",
        ),
        (
            &[
                django,
                ("requirements.txt", "-r requirements/base.txt\n"),
                ("requirements/base.txt", "gunicorn\n"),
            ],
            "",
        ),
        // Dependencies that the project itself declares are not seen.
        (&[django, ("requirements.txt", "-e .\n")], ""),
        (
            &[
                django,
                (
                    "requirements.txt",
                    "-r ../elsewhere.txt\n-r requirements.txt\n",
                ),
            ],
            "",
        ),
    ] {
        let directory = checkout(files);
        let (_, said) = init(&directory, &[]);
        let warnings: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("warning: "))
            .collect();
        let rest = match says.contains("which the unit starts") {
            true => ", or read `pystrano man faq` where the repository is not yours",
            false => "",
        };
        let says = format!("{}{rest}", says.trim_end());
        assert_eq!(warnings.join("\n"), says, "{files:?}");
    }
}
