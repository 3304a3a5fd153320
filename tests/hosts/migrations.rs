//! Migrations of a release that is reverted: the code is reverted, the schema of the database is not.

use crate::support::{App, Deployed, deployed};

/// A migration that adds a nullable field, which the previous code can ignore.
fn django_migration(name: &str, after: &str) -> String {
    format!(
        "from django.db import migrations, models\n\n\
         class Migration(migrations.Migration):\n    \
             dependencies = [(\"pages\", \"{after}\")]\n    \
             operations = [migrations.AddField(\"visit\", \"{name}\", models.TextField(null=True))]\n"
    )
}

fn alembic_migration(number: u32) -> String {
    let before = number - 1;
    format!(
        "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = \"000{number}\"\ndown_revision = \"000{before}\"\n\n\
         def upgrade() -> None:\n    op.create_table(\"more{number}\", sa.Column(\"id\", sa.Integer))\n\n\
         def downgrade() -> None:\n    op.drop_table(\"more{number}\")\n"
    )
}

/// Requires that a release with two migrations that fails to start is reverted, and that its migrations stay applied and
/// are named with the command that undoes them. `before` and `after` are the output of `list`, run with the new code,
/// before and after that deploy.
#[track_caller]
fn stays_applied(
    fixture: &Deployed,
    names: &str,
    undo: &str,
    list: &str,
    before: &str,
    after: &str,
) {
    let Deployed {
        host,
        repo,
        project,
    } = fixture;
    let old = host.root("readlink -f /home/deploy/demo/current");
    let (_, release) = old.rsplit_once('/').expect("a release");
    // A clone of the new code, run in the env of the current release, as an operator would undo the migrations.
    let code = "/home/deploy/code";
    host.root(&format!(
        "runuser -u deploy -- git clone -q {} {code} && ln -s /home/deploy/demo/shared/secret-key.txt {code}/",
        repo.url()
    ));
    let by_new_code = |command: &str| {
        let command = format!("cd {code} && {{ {command}; }}");
        let words = ["run", "--", "sh", "-c", &command];
        project.run(&words).expect(0).stdout
    };
    let shown = || {
        by_new_code(list)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(shown(), before);

    let output = project.run(&["deploy"]).expect(1);
    output
        .says("every server runs what it ran before, but the database changed")
        .says(&format!(
            "  127.0.0.1: back to {release}, but for migrations that stay applied: {names} ({undo} with its code undoes that)\n"
        ));
    assert_eq!(host.root("readlink -f /home/deploy/demo/current"), old);
    assert_eq!(host.last_revision()[4], "reverted");
    assert_eq!(shown(), after);
    assert!(project.page(0).contains("v1"));

    // The next deploy applies no migrations and reports none.
    let again = project.run(&["deploy", "--json"]).expect(1);
    again.says(r#""migrations":[],"undo":null"#);
    by_new_code(undo);
    assert_eq!(shown(), before);
    assert!(project.page(0).contains("v1"));
}

#[test]
fn migrations_of_django_that_stay_applied_are_named_with_what_undoes_them() {
    let fixture = deployed(App::Django);
    let repo = &fixture.repo;
    repo.write(
        "pages/migrations/0002_note.py",
        &django_migration("note", "0001_initial"),
    );
    repo.write(
        "pages/migrations/0003_name.py",
        &django_migration("name", "0002_note"),
    );
    repo.replace(
        "pages/models.py",
        "    at = ",
        "    note = models.TextField(null=True)\n    name = models.TextField(null=True)\n    at = ",
    );
    repo.die_at_start();
    stays_applied(
        &fixture,
        "pages.0002_note pages.0003_name",
        "python manage.py migrate pages 0001_initial",
        "python manage.py showmigrations pages",
        "pages [X] 0001_initial [ ] 0002_note [ ] 0003_name",
        "pages [X] 0001_initial [X] 0002_note [X] 0003_name",
    );
}

#[test]
fn migrations_of_alembic_that_stay_applied_are_named_with_what_undoes_them() {
    let fixture = deployed(App::FastApi);
    let repo = &fixture.repo;
    for number in [2, 3] {
        repo.write(
            &format!("migrations/versions/000{number}.py"),
            &alembic_migration(number),
        );
    }
    // Logging as in the template of `alembic init`; the sample application does not configure it.
    repo.replace(
        "migrations/env.py",
        "import os\n",
        "import logging\nimport os\n\nlogging.basicConfig(level=logging.INFO, format=\"%(levelname)-5.5s [%(name)s] %(message)s\")\n",
    );
    repo.die_after_a_second();
    stays_applied(
        &fixture,
        "0002 0003",
        "alembic downgrade -2",
        "alembic current 2>/dev/null",
        "0001",
        "0003 (head)",
    );
}
