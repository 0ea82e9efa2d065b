//! `muster workspace mdm`: which MDM service the devices of a platform belong to.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use hyper::Method;

use super::{InWorkspace, connector::read, escape};
use crate::remote::items;

/// What to do with MDM services. A platform is the one of the devices, in lower case, or `default` for
/// all that have no service of their own.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List those that are set, without their credentials.
    List {
        #[command(flatten)]
        of: InWorkspace,
    },
    /// Set the service of a platform, with its credentials.
    Set {
        #[command(flatten)]
        of: InWorkspace,
        /// The platform, or `default`.
        platform: String,
        /// A JSON file in the form of the API. It holds credentials: remove it afterwards.
        file: PathBuf,
    },
    /// Ask whether the service of a platform answers and accepts the credentials.
    Test {
        #[command(flatten)]
        of: InWorkspace,
        /// The platform, or `default`.
        platform: String,
    },
    /// Take the service of a platform away and destroy its credentials.
    Remove {
        #[command(flatten)]
        of: InWorkspace,
        /// The platform, or `default`.
        platform: String,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let path = |platform: &str| format!("/mdm/services/{}", escape(platform));
    match command {
        Command::List { of } => {
            // There are as many as platforms: the API has no parts of this list.
            let all = of.api.client()?.get(&of.path("/mdm/services")).await?;
            of.api.print_list(items(&all["items"])?, &["platform", "kind", "url"]);
            Ok(ExitCode::SUCCESS)
        }
        Command::Set { of, platform, file } => {
            of.show(Method::PUT, &path(&platform), Some(&read(&file)?)).await
        }
        Command::Test { of, platform } => {
            let path = of.path(&format!("{}/test", path(&platform)));
            let answer = of.api.ask(Method::POST, &path, None).await?;
            let ok = answer["ok"].as_bool().unwrap_or_default();
            Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Remove { of, platform } => {
            let said = format!("removed the service of {platform}");
            of.done(Method::DELETE, &path(&platform), &said).await
        }
    }
}
