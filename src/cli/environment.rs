//! Variables of the environment that stand for flags.

use clap::{Arg, Command, builder::Resettable};

/// What is empty is not set: files of settings write it so, for containers and services.
pub fn without_empty(command: Command) -> Command {
    command.mut_args(unless_empty).mut_subcommands(without_empty)
}

fn unless_empty(arg: Arg) -> Arg {
    let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(Resettable::Reset) } else { arg }
}
