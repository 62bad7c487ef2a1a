//! Command lines, good and bad.

use clap::CommandFactory as _;

use super::*;

fn run(arguments: &[&str]) -> Result<RunArgs, String> {
    let line = ["kerndns", "run"].iter().chain(arguments);
    match Cli::try_parse_from(line)
        .map_err(|error| error.to_string())?
        .command
    {
        Command::Run(args) => Ok(*args),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn nothing_said_means_the_documented_defaults() {
    let args = run(&[]).unwrap();
    assert_eq!(args.corefile, None);
    assert_eq!(args.source, Source::Kubernetes);
    assert_eq!(args.kubeconfig, None);
    assert_eq!(args.listen, Listen::Corefile);
    assert_eq!(args.service, None);
    assert!(args.service_ip.is_empty());
    assert!(args.nic.is_empty() && args.pods.is_empty());
    assert_eq!((args.xdp, args.tc), (XdpMode::Auto, TcMode::Auto));
    assert_eq!(
        (args.kernel, args.kernel_log),
        (KernelMode::On, KernelLog::Off)
    );
    assert_eq!(args.names, 500_000);
    assert_eq!(args.bpffs, PathBuf::from("/sys/fs/bpf/kerndns"));
    assert_eq!(args.metrics, None);
}

#[test]
fn every_flag_of_the_contract_is_understood() {
    #[rustfmt::skip]
    let args = run(&[
        "--corefile", "Corefile", "--source", "manifests/", "--kubeconfig", "admin.conf",
        "--listen", "127.0.0.1:5353", "--listen", "[::1]:53", "--service", "dns/mine",
        "--service-ip", "10.96.0.10", "--service-ip", "fd00:96::a", "--nic", "eth*", "--nic", "ens3",
        "--pods", "veth*", "--xdp", "generic", "--tc", "clsact", "--kernel", "observe",
        "--kernel-log", "passes", "--names", "7", "--bpffs", "/bpf", "--metrics", "0.0.0.0:9153",
    ]).unwrap();
    assert_eq!(args.source, Source::Path("manifests/".into()));
    let listen = ["127.0.0.1:5353", "[::1]:53"].map(|at| at.parse().unwrap());
    assert_eq!(args.listen, Listen::At(listen.into()));
    assert_eq!(args.service, Some(ObjectKey::new("dns", "mine")));
    assert_eq!(args.service_ip.len(), 2);
    let plan = args.plan().unwrap();
    assert!(plan.nics.matches("ens3") && plan.nics.matches("eth7") && plan.pods.matches("veth1"));
    assert_eq!((plan.xdp, plan.tc), (XdpMode::Generic, TcMode::Clsact));
    assert_eq!(
        (args.kernel, args.kernel_log.level()),
        (KernelMode::Observe, 3)
    );
    assert_eq!((args.names, args.bpffs), (7, "/bpf".into()));
    assert_eq!(args.metrics, Some("0.0.0.0:9153".parse().unwrap()));
}

#[test]
fn listen_none_is_no_address() {
    assert_eq!(run(&["--listen", "none"]).unwrap().listen, Listen::None);
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    for (arguments, said) in [
        (["--listen", "10.0.0.1"], "write IP:PORT"),
        (["--listen", "dns.example:53"], "write IP:PORT"),
        (["--service", "kube-dns"], "write NAMESPACE/NAME"),
        (["--service", "a/b/c"], "write NAMESPACE/NAME"),
        (["--service", "/kube-dns"], "write NAMESPACE/NAME"),
        (["--service-ip", "10.96.0.10:53"], "without a port"),
        (["--service-ip", "::"], "one address"),
        (["--nic", "eth[0"], "`eth[0` is not a pattern"),
        (["--pods", ""], "it is empty"),
        (
            ["--xdp", "offload"],
            "possible values: auto, native, generic",
        ),
        (["--tc", "bpf"], "possible values: auto, tcx, clsact"),
        (["--kernel", "maybe"], "possible values: on, observe, off"),
        (
            ["--kernel-log", "most"],
            "possible values: off, passes, all",
        ),
        (["--names", "0"], "0 is not in 1.."),
        (["--names", "many"], "invalid"),
        (["--bpffs", "bpf"], "absolute path"),
        (["--metrics", "9153"], "invalid"),
    ] {
        let error = run(&arguments).expect_err(arguments[1]);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn listen_none_beside_an_address_is_refused() {
    let error = run(&["--listen", "none", "--listen", "127.0.0.1:53"]).unwrap_err();
    assert!(error.contains("contradict"), "{error}");
}

#[test]
fn check_and_dump_take_their_own_flags() {
    let parse = |line: &[&str]| Cli::try_parse_from(line).unwrap().command;
    let Command::Check(args) = parse(&["kerndns", "check", "--corefile", "C"]) else {
        panic!()
    };
    assert_eq!(args.corefile, Some("C".into()));
    assert!(Cli::try_parse_from(["kerndns", "check", "--despite", "log"]).is_err());
    let Command::Dump(args) = parse(&["kerndns", "dump"]) else {
        panic!()
    };
    assert_eq!(args.bpffs, PathBuf::from(BPFFS));
    assert!(Cli::try_parse_from(["kerndns", "dump", "--nic", "eth0"]).is_err());
}

#[test]
fn the_help_of_run_shows_every_flag_and_examples() {
    let mut command = Cli::command();
    let help = command
        .find_subcommand_mut("run")
        .unwrap()
        .render_long_help()
        .to_string();
    for said in [
        "--listen <IP:PORT|none>",
        "--service <NS/NAME>",
        "Examples:",
        "[default: 500000]",
    ] {
        assert!(help.contains(said), "{said} is not in\n{help}");
    }
}
