//! Files on disk in, events out.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory of a test's own, removed when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kerndns-manifest-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn namespaces(names: &[&str]) -> String {
    let document = |name| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    names.iter().map(document).collect::<Vec<_>>().join("---\n")
}

/// A running source, and what it tells, one word per event.
struct Source(mpsc::UnboundedReceiver<Event>);

impl Source {
    fn start(path: &Path) -> Self {
        Self::start_with(path, Needs::default())
    }

    fn start_with(path: &Path, needs: Needs) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        tokio::spawn(run(path.to_owned(), needs, events));
        Self(receiver)
    }

    async fn next(&mut self) -> String {
        let event = time::timeout(Duration::from_secs(20), self.0.recv()).await;
        match event
            .expect("an event within 20 s")
            .expect("a source that goes on")
        {
            Event::Change(Verb::Apply(object), _) => format!("+{}", object.key()),
            Event::Change(Verb::Delete(_, key), _) => format!("-{key}"),
            Event::Change(Verb::Reset(kind, keys), _) => {
                format!("{} {}", keys.len(), kind.plural())
            }
            other => panic!("{other:?}"),
        }
    }

    async fn expect(&mut self, words: &[&str]) {
        for word in words {
            assert_eq!(&self.next().await, word);
        }
    }

    async fn expect_list(&mut self, words: &[&str]) {
        self.expect(words).await;
        let namespaces = format!("{} namespaces", words.len());
        self.expect(&[&namespaces, "0 services", "0 endpointslices"])
            .await;
    }
}

#[tokio::test]
async fn the_first_reading_is_a_list_and_later_ones_are_differences() {
    let directory = Directory::new();
    directory.write("a.yaml", &namespaces(&["a", "b"]));
    directory.write(
        "c.json",
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}}"#,
    );
    directory.write("notes.txt", "not: [a manifest");
    directory.write(".hidden.yaml", "not: [a manifest");
    let mut source = Source::start(&directory.0);
    source.expect_list(&["+a", "+b", "+c"]).await;
    directory.write("a.yaml", &namespaces(&["a", "d"]));
    source.expect(&["+d", "-b"]).await;
    fs::remove_file(directory.0.join("c.json")).unwrap();
    source.expect(&["-c"]).await;
    directory.write("e.yml", &namespaces(&["e"]));
    source.expect(&["+e"]).await;
}

#[tokio::test]
async fn a_broken_file_keeps_its_last_good_objects_and_the_rest_works() {
    let directory = Directory::new();
    directory.write("broken.yaml", "kind: [Namespace\n");
    directory.write("good.yaml", &namespaces(&["a", "b"]));
    let mut source = Source::start(&directory.0);
    source.expect_list(&["+a", "+b"]).await;
    let half = format!("{}---\nkind: [Name", namespaces(&["c"]));
    directory.write("good.yaml", &half);
    source.expect(&["+c"]).await;
    directory.write("good.yaml", "");
    directory.write("other.yaml", &namespaces(&["o"]));
    source.expect(&["+o"]).await;
    directory.write("good.yaml", &namespaces(&["b", "c"]));
    source.expect(&["-a"]).await;
}

#[tokio::test]
async fn a_single_file_is_followed_through_a_rename_and_outlives_its_removal() {
    let directory = Directory::new();
    directory.write("one", &namespaces(&["a"]));
    let path = directory.0.join("one");
    let mut source = Source::start(&path);
    source.expect_list(&["+a"]).await;
    directory.write("one.new", &namespaces(&["a", "b"]));
    fs::rename(directory.0.join("one.new"), &path).unwrap();
    source.expect(&["+b"]).await;
    fs::remove_file(&path).unwrap();
    time::sleep(QUIET * 4).await;
    directory.write("one", &namespaces(&["b", "c"]));
    // Had the removal deleted the objects, b would be told again.
    source.expect(&["+c", "-a"]).await;
}

#[tokio::test]
async fn the_swap_of_a_config_map_volume_is_seen() {
    let directory = Directory::new();
    for (version, name) in [("..1", "a"), ("..2", "b")] {
        fs::create_dir(directory.0.join(version)).unwrap();
        directory.write(&format!("{version}/m.yaml"), &namespaces(&[name]));
    }
    symlink("..1", directory.0.join("..data")).unwrap();
    symlink("..data/m.yaml", directory.0.join("m.yaml")).unwrap();
    let mut whole = Source::start(&directory.0);
    let mut single = Source::start(&directory.0.join("m.yaml"));
    whole.expect_list(&["+a"]).await;
    single.expect_list(&["+a"]).await;
    symlink("..2", directory.0.join("..data_tmp")).unwrap();
    fs::rename(directory.0.join("..data_tmp"), directory.0.join("..data")).unwrap();
    whole.expect(&["+b", "-a"]).await;
    single.expect(&["+b", "-a"]).await;
}

#[tokio::test]
async fn a_directory_that_is_exchanged_is_followed() {
    let above = Directory::new();
    let path = above.0.join("now");
    fs::create_dir(&path).unwrap();
    above.write("now/m.yaml", &namespaces(&["a"]));
    let mut source = Source::start(&path);
    source.expect_list(&["+a"]).await;
    fs::create_dir(above.0.join("next")).unwrap();
    above.write("next/m.yaml", &namespaces(&["b"]));
    fs::rename(&path, above.0.join("before")).unwrap();
    fs::rename(above.0.join("next"), &path).unwrap();
    source.expect(&["+b", "-a"]).await;
    above.write("now/m.yaml", &namespaces(&["b", "c"]));
    source.expect(&["+c"]).await;
}

#[tokio::test]
async fn a_path_that_is_not_there_is_an_error_that_names_it() {
    let (events, _receiver) = mpsc::unbounded_channel();
    let error = run("/nowhere/at/all.yaml".into(), Needs::default(), events)
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("--source /nowhere/at/all.yaml: No such file"),
        "{message}"
    );
}

#[tokio::test]
async fn the_source_ends_when_nobody_listens() {
    let directory = Directory::new();
    let (events, receiver) = mpsc::unbounded_channel();
    let source = tokio::spawn(run(directory.0.clone(), Needs::default(), events));
    drop(receiver);
    let ended = time::timeout(Duration::from_secs(20), source).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_pod_is_a_client_on_the_node_that_is_named() {
    let pod = |name: &str, node: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: a}}\nspec: {{nodeName: {node}}}\n\
             status: {{phase: Running, podIPs: [{{ip: 10.0.0.1}}]}}\n---\n"
        )
    };
    let directory = Directory::new();
    directory.write("a.yaml", &[pod("p", "here"), pod("q", "there")].concat());
    let rows: [(_, &[&str]); 2] = [
        (Some("here"), &["+a/p", "+a/q", "+a/p"]),
        (None, &["+a/p", "+a/q", "+a/p", "+a/q"]),
    ];
    for (node, told) in rows {
        let mut needs = Needs::default();
        (needs.pods, needs.local_pods) = (true, true);
        needs.node = node.map(Into::into);
        let mut source = Source::start_with(&directory.0, needs);
        source.expect(told).await;
        let empty = ["0 namespaces", "0 services", "0 endpointslices", "2 pods"];
        source.expect(&empty).await;
        let local = format!("{} pods", told.len() - 2);
        source.expect(&[&local]).await;
    }
}
