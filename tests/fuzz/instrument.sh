#!/bin/sh
# `RUSTC_WORKSPACE_WRAPPER` of the fuzz targets: rustc with the instrumentation that libFuzzer reads (the flags of
# cargo-fuzz), for the crates of this workspace and not for their dependencies. So those are shared with all other
# builds, where cargo-fuzz would compile every one of them again.
case " $* " in
*" build_script_build "*) exec "$@" ;; # runs outside of libFuzzer
*" --crate-name "*) ;;
*) exec "$@" ;; # a question of cargo's
esac
exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-stack-depth \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
