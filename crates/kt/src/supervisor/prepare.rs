//! What must exist before services start: directories, generated configuration, the cluster.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Stdio;

use kt_store::StoreConfig;

use crate::config::Config;
use crate::error::Error;
use crate::supervisor::spec::user_for;
use crate::sys::User;

/// Creates the data directory's own folders. The services' folders follow in [`prepare`].
pub(crate) fn directories(config: &Config) -> Result<(), Error> {
    let data = &config.platform.data_dir;
    // Open to enter, so that the engines' users reach their own folders.
    directory(data, 0o755, None)?;
    directory(&config.data("env"), 0o755, None)?;
    for private in ["run", "logs", "secrets", "secrets/s3", "secrets/nats", "spool", "archive"] {
        directory(&config.data(private), 0o700, None)?;
    }
    Ok(())
}

/// Prepares everything that services find when they start. Repeating it changes nothing.
pub(crate) async fn prepare(config: &Config) -> Result<(), Error> {
    let effective = toml::to_string(config).map_err(Error::doing("writing the effective configuration"))?;
    replace(&config.run_file("effective.toml"), effective.as_bytes(), None)?;
    nats(config)?;
    directory(&config.data("warehouse"), 0o700, user_for(&config.warehouse.user)?.as_ref())?;
    crate::object_store::create_keys(config)?;
    password(config)?;
    crate::orchestration::prepare(config)?;
    cluster(config).await
}

/// How kt itself reaches PostgreSQL.
pub(crate) fn store_config(config: &Config) -> Result<StoreConfig, Error> {
    let file = config.password_file();
    let password = fs::read_to_string(&file).map_err(Error::doing(file.display()))?;
    let address = config.address(config.postgres.port);
    Ok(StoreConfig {
        host: address.ip().to_string(),
        port: address.port(),
        user: config.postgres.role.clone(),
        password: password.trim().to_owned(),
        database: config.postgres.database.clone(),
    })
}

fn nats(config: &Config) -> Result<(), Error> {
    let user = user_for(&config.nats.user)?;
    let home = config.data("nats");
    directory(&home, 0o700, user.as_ref())?;
    directory(&home.join("jetstream"), 0o700, user.as_ref())?;
    crate::messaging::create_passwords(config)?;
    crate::messaging::adopt_streams(config)?;
    nats_configuration(config)
}

/// Writes the server's configuration; a running server reads it again at SIGHUP.
pub(crate) fn nats_configuration(config: &Config) -> Result<(), Error> {
    let (user, home) = (user_for(&config.nats.user)?, config.data("nats"));
    let text = crate::messaging::server_config(config)?;
    replace(&home.join("nats.conf"), text.as_bytes(), user.as_ref())
}

/// Creates PostgreSQL's password once.
fn password(config: &Config) -> Result<(), Error> {
    let file = config.password_file();
    if file.exists() {
        return Ok(());
    }
    replace(&file, format!("{}\n", random_text()?).as_bytes(), None)
}

/// A new secret: 192 random bits as text.
pub(crate) fn random_text() -> Result<String, Error> {
    let mut bytes = [0; 24];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| std::io::Read::read_exact(&mut random, &mut bytes))
        .map_err(Error::doing("reading /dev/urandom"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Creates PostgreSQL's cluster once: beside its place and then renamed, never half.
async fn cluster(config: &Config) -> Result<(), Error> {
    let user = user_for(&config.postgres.user)?;
    let home = config.data("postgres");
    directory(&home, 0o700, user.as_ref())?;
    directory(&home.join("socket"), 0o700, user.as_ref())?;
    let (cluster, new) = (home.join("cluster"), home.join("cluster.new"));
    if cluster.exists() {
        return Ok(());
    }
    if new.exists() {
        fs::remove_dir_all(&new).map_err(Error::doing(new.display()))?;
    }
    let password_copy = home.join("password.new");
    let password = fs::read(config.password_file()).map_err(Error::doing("reading PostgreSQL's password"))?;
    replace(&password_copy, &password, user.as_ref())?;
    let created = initdb(config, user.as_ref(), &new, &password_copy).await;
    fs::remove_file(&password_copy).map_err(Error::doing(password_copy.display()))?;
    created?;
    fs::rename(&new, &cluster).map_err(Error::doing(cluster.display()))
}

async fn initdb(config: &Config, user: Option<&User>, cluster: &Path, password: &Path) -> Result<(), Error> {
    let mut command = std::process::Command::new(config.engine("postgres/bin/initdb"));
    command
        .arg("-D")
        .arg(cluster)
        .arg("--pwfile")
        .arg(password)
        .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"])
        .args(["--username", &config.postgres.role])
        .current_dir("/")
        .stdin(Stdio::null());
    super::spawn::plain_environment(&mut command);
    super::spawn::run_as(&mut command, user);
    crate::sys::die_with_parent(&mut command, libc::SIGTERM);
    let output = tokio::process::Command::from(command).output().await.map_err(Error::doing("starting initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.lines().find(|line| line.contains("error:")).unwrap_or("no reason given");
    Err(Error::failed(format!("initdb could not create PostgreSQL's cluster in {}: {reason}", cluster.display())))
}

/// Creates a directory with the mode and owner given; one that exists gets them too.
pub(crate) fn directory(path: &Path, mode: u32, owner: Option<&User>) -> Result<(), Error> {
    let failed = || Error::doing(format!("preparing directory {}", path.display()));
    fs::create_dir_all(path).map_err(failed())?;
    if let Some(user) = owner {
        chown(path, Some(user.uid), Some(user.gid)).map_err(failed())?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed())
}

/// Writes a file readable by its owner alone: whole or not at all.
pub(crate) fn replace(path: &Path, content: &[u8], owner: Option<&User>) -> Result<(), Error> {
    let failed = || Error::doing(format!("writing {}", path.display()));
    let temporary = path.with_extension(format!("new{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary).map_err(failed())?;
    file.write_all(content).map_err(failed())?;
    if let Some(user) = owner {
        chown(&temporary, Some(user.uid), Some(user.gid)).map_err(failed())?;
    }
    fs::rename(&temporary, path).map_err(failed())
}
