//! Parse, dispatch, print the error, exit.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use xtask::cli::{Cli, Command};
use xtask::deploy::relay;
use xtask::engine::askpass;
use xtask::eprintln;
use xtask::exit::{self, Exit};
use xtask::repo::Repo;
use xtask::signal::CancelToken;
use xtask::verbs::{self, Context};

fn main() -> ExitCode {
    // SSH starts us again to hand over a password.
    if let Some(code) = askpass::intercept() {
        return code;
    }
    // And QEMU, to carry a connection of a machine without a network.
    if let Some(code) = relay::intercept() {
        return code;
    }
    let cli = Cli::parse();
    if let Err(error) = xtask::signal::install() {
        eprintln!("warning: Ctrl-C will not clean up: {error}");
    }
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let error = exit::after_interrupt(error, CancelToken::global().is_set());
            eprintln!("{}", shown(&error));
            exit::of(&error).into()
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    let repo =
        Repo::find(global.root.as_deref(), global.out.as_deref(), global.media_dir.as_deref())?;
    let context = Context { repo, verbose: global.verbose };
    xtask::cmd::trace(context.verbose > 0);
    match &cli.command {
        Command::Bench(args) => verbs::bench::run(args, &context),
        Command::Build(args) => verbs::build::run(args, &context),
        Command::Ci(args) => verbs::ci::run(args, &context),
        Command::Clean(args) => verbs::clean::run(args, &context),
        Command::Completions(args) => verbs::completions::run(args, &mut Cli::command()),
        Command::Man(args) => verbs::man::run(args, &mut Cli::command()),
        Command::DeployTest(args) => verbs::deploy_test::run(args, &context),
        Command::Docs(args) => verbs::docs::run(args, &context),
        Command::Doctor(args) => verbs::doctor::run(args, &context),
        Command::Explain(args) => verbs::explain::run(args, &context),
        Command::Fmt(args) => verbs::fmt::run(args, &context),
        Command::Fuzz(args) => verbs::fuzz::run(args, &context),
        Command::List(args) => verbs::list::run(args, &context),
        Command::Inspect(args) => verbs::inspect::run(args, &context),
        Command::Pack(args) => verbs::pack::run(args, &context),
        Command::Matrix(args) => verbs::matrix::run(args, &context),
        Command::Media(args) => verbs::media::run(args, &context),
        Command::New(args) => verbs::new::run(args, &context),
        Command::Plan(args) => verbs::plan::run(args, &context),
        Command::Remote(args) => verbs::remote::run(args, &context),
        Command::Schema(args) => verbs::schema::run(args, &context),
        Command::Setup(args) => verbs::setup::run(args, &context),
        Command::Ssh(args) => verbs::ssh::run(args, &context),
        Command::Test(args) => verbs::test::run(args, &context),
        Command::Upload(args) => verbs::upload::run(args, &context),
        Command::Validate(args) => verbs::validate::run(args, &context),
    }
}

/// The error chain in one paragraph; findings already carry their own `error`.
fn shown(error: &anyhow::Error) -> String {
    let text = exit::text(error);
    if text.starts_with("error") { text } else { format!("error: {text}") }
}
