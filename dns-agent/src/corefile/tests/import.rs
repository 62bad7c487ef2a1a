//! Snippets and imported files.

use std::path::Path;

use super::super::Server;
use super::{Directory, parse, parse_at};

#[test]
fn snippets_are_put_in_place_at_every_level() {
    let text = "
        (log) { errors
            import more
        }
        (more) {
            ready
            kubernetes cluster.local {
                import options
            }
        }
        (options) {
            ttl 7
            pods insecure
        }
        (server) {
            a.example {
                import log
            }
        }
        import server
        b.example { import log
        }
    ";
    let config = parse(text).unwrap();
    assert_eq!(config.servers.len(), 2);
    for server in &config.servers {
        assert!(server.errors);
        assert_eq!(server.ready.as_deref(), Some(":8181"));
        let kubernetes = server.kubernetes.as_ref().unwrap();
        assert_eq!(kubernetes.ttl, 7);
    }
}

#[test]
fn files_and_patterns_are_read_from_the_importing_files_directory() {
    let directory = Directory::new("files");
    let root = directory.file(
        "Corefile",
        "import conf.d/*.conf\n. {\n  import plugins\n}\n",
    );
    directory.file("plugins", "errors\nready");
    directory.file("conf.d/2.conf", "b.example {\n  import ../plugins\n}");
    directory.file("conf.d/1.conf", "a.example {\n  loop\n}");
    directory.file("conf.d/README", "{");
    let text = std::fs::read_to_string(&root).unwrap();
    let config = parse_at(&text, &root).unwrap();
    let servers: Vec<String> = config
        .servers
        .iter()
        .map(|s| s.zones[0].to_string())
        .collect();
    assert_eq!(servers, ["a.example.", "b.example.", "."]);
    let errors: Vec<bool> = config
        .servers
        .iter()
        .map(|server: &Server| server.errors)
        .collect();
    assert_eq!(errors, [false, true, true]);
    let imported = directory.0.join("conf.d/1.conf");
    assert_eq!(
        config.warnings,
        [format!(
            "{}:2: plugin \"loop\" is accepted and has no effect yet",
            imported.display()
        )]
    );
}

#[test]
fn a_fault_in_an_imported_file_is_named_by_that_file() {
    let directory = Directory::new("imported-fault");
    let root = directory.file("Corefile", ". {\n  import other\n  nonsense\n}\n");
    let other = directory.file("other", "\nhealth {\n lameduck\n}\n");
    let error = parse_at(&std::fs::read_to_string(&root).unwrap(), &root).unwrap_err();
    let error = error.to_string();
    let mut lines = error.lines();
    let first = format!("{}:3: unknown plugin \"nonsense\"", root.display());
    assert!(lines.next().unwrap().starts_with(&first), "{error}");
    let second = format!("{}:3: \"lameduck\" has no argument", other.display());
    assert!(lines.next().unwrap().starts_with(&second), "{error}");
}

#[test]
fn a_pattern_without_files_is_a_warning() {
    let directory = Directory::new("no-match");
    let config = parse_at(". {\n import *.conf\n}", &directory.0.join("Corefile")).unwrap();
    let place = directory.0.join("Corefile");
    assert_eq!(
        config.warnings,
        [format!(
            "{}:2: no file matches the import pattern \"*.conf\"",
            place.display()
        )]
    );
}

#[test]
fn a_pattern_may_match_files_that_import_one_another() {
    let directory = Directory::new("siblings");
    let root = directory.file("Corefile", ". {\n import *.conf\n}\n");
    directory.file("a.conf", "import b.conf\n");
    directory.file("b.conf", "forward . 192.0.2.1\n");
    let config = parse_at(&std::fs::read_to_string(&root).unwrap(), &root).unwrap();
    assert_eq!(config.servers[0].forward.len(), 2);
}

#[test]
fn import_cycles_are_errors() {
    let directory = Directory::new("cycle");
    let root = directory.file("Corefile", ". {\n  import a\n}\n");
    let [a, b] = ["a", "b"].map(|name| directory.0.join(name));
    directory.file("a", "errors\nimport b\n");
    directory.file("b", "import a");
    let show = Path::display;
    let expected = format!(
        "{}:1: import cycle: {} -> {} -> {}",
        show(&b),
        show(&a),
        show(&b),
        show(&a)
    );
    let error = parse_at(&std::fs::read_to_string(&root).unwrap(), &root).unwrap_err();
    assert_eq!(error.to_string(), expected);

    let rows = [
        (
            "(a) {\nimport a\n}\n. {\nimport a\n}",
            "Corefile:2: import cycle: (a) -> (a)",
        ),
        (
            "(a) {\nimport b\nerrors\n}\n(b) {\nimport a\n}\n. {\nimport b\n}",
            "Corefile:2: import cycle: (b) -> (a) -> (b)",
        ),
    ];
    for (text, message) in rows {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn snippets_that_double_at_each_step_are_given_up() {
    let steps = (1..64).map(|step| {
        let import = format!("import s{}\n", step - 1);
        format!("(s{step}) {{\n{import}{import}}}\n")
    });
    let steps: String = steps.collect();
    let text = format!("(s0) {{\nerrors\n}}\n{steps}. {{\nimport s63\n}}\n");
    let error = parse(&text).unwrap_err().to_string();
    assert_eq!(
        error,
        "Corefile:5: more than 100000 words, imports included"
    );
}
