//! The service as a whole: opened in order, run under supervision, stopped in
//! bounded time (**W2**).

use std::{fs::File, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::runtime::Runtime;

use crate::{
    access::{self, ApiKeys},
    clock::Clock,
    collection::Collections,
    context::Context,
    documents::{Bucket, CopyMode, Environment, Root, Storage, Store, Tuning, Unusable},
    error::{Contact, Error},
    idempotency,
    instance::{self, Claim, Fresh, StartError},
    listen::Listeners,
    records::{self, IndexState, Log, Opening, Policy, Records},
    restore::Restores,
    retention,
    rpc::{self, Services, Tls, Transport},
    snapshot::Snapshots,
    source::{
        Sources,
        access::{Access, place},
        location::Location,
    },
    space::Space,
    tasks::{TaskError, Tasks},
    timekeeper, upgrade,
    workspace::{Gates, Limits, Workspaces},
    writable,
};

/// Threads for work that must not slow down writers.
const BACKGROUND_THREADS: usize = 2;
/// How much lower their priority is.
const BACKGROUND_NICE: i32 = 10;

/// How the service is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the index of the records and, by default, everything else is.
    pub data_dir: PathBuf,
    /// The storage root; absent: `storage` in the data directory.
    pub storage: Option<Storage>,
    /// The gates of new workspaces.
    pub gates: Gates,
    /// How much of everything there may be.
    pub limits: Limits,
    /// Whom callers may ask about gates, keys and places.
    pub operator_contact: Contact,
    /// Where the key of a first operator is, or is to be written.
    pub bootstrap_key_file: Option<PathBuf>,
    /// How a restore copies files.
    pub copy_mode: CopyMode,
    /// Intervals and patience of the databases.
    pub tuning: Tuning,
    /// The shortest retention that a collection may have. Only tests want a
    /// shorter one than the contract's.
    pub shortest_retention: Duration,
    /// The places that sources may read; absent: `import` in the data directory.
    pub source_allow: Option<Vec<Location>>,
    /// How sources reach buckets.
    pub source_environment: Environment,
    /// The shortest scan interval that a source may have. Only tests want a
    /// shorter one than the contract's.
    pub shortest_scan_interval: Duration,
    /// What must be free on each disk for anything to be taken in; absent: 512 MiB,
    /// or 2 % of the disk if that is more.
    pub min_free_bytes: Option<u64>,
    /// How often the free space is looked at.
    pub space_every: Duration,
    /// How clients connect.
    pub transport: Transport,
    /// When the record log gets a new base.
    pub log_policy: Policy,
    /// How often the records are looked through for work.
    pub sweep_every: Duration,
    /// How often another server is looked for, where no lock keeps it out.
    pub rivals_every: Duration,
    /// How long a stop may take.
    pub grace: Duration,
    /// The clock of the machine is right, whatever was known of time before.
    pub accept_clock: bool,
}

impl Config {
    /// The defaults, for a data directory.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            storage: None,
            gates: Gates::default(),
            limits: Limits::default(),
            operator_contact: None,
            bootstrap_key_file: None,
            copy_mode: CopyMode::default(),
            tuning: Tuning::default(),
            shortest_retention: retention::SHORTEST,
            source_allow: None,
            source_environment: Environment::of_process(),
            shortest_scan_interval: Duration::from_secs(1),
            min_free_bytes: None,
            space_every: Duration::from_millis(500),
            transport: Transport::default(),
            log_policy: Policy::default(),
            sweep_every: Duration::from_secs(1),
            rivals_every: Duration::from_secs(10),
            grace: Duration::from_secs(20),
            accept_clock: false,
        }
    }
}

impl Config {
    /// The storage root.
    #[must_use]
    pub fn storage(&self) -> Storage {
        self.storage.clone().unwrap_or_else(|| Storage::Directory(self.data_dir.join("storage")))
    }
}

/// The service, opened but not yet serving.
pub struct App {
    services: Services,
    config: Config,
    tls: Option<Arc<Tls>>,
    tasks: Tasks,
    background: Background,
    records: Records,
    space: Space,
    clock: Clock,
    _locks: Locks,
}

impl App {
    /// Opens the data directory and the storage root, and settles what a crash
    /// left open.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, StartError> {
        // Before anything is made: who is refused leaves nothing behind.
        let tls = match config.transport.tls.clone() {
            Some(files) => Some(Arc::new(Tls::load(files).await.map_err(|error| StartError::Tls(error.to_string()))?)),
            None => None,
        };
        if let Some(file) = &config.bootstrap_key_file {
            access::check_bootstrap(file, &config.data_dir)?;
        }
        let tasks = Tasks::default();
        let background = Background::start()?;
        let Opened { records, root, locks } = open_records(&config, &clock, &tasks).await?;
        timekeeper::resume(&clock, &records, config.accept_clock).await;
        writable::warn_if_open(&config.data_dir);
        root.directory().into_iter().for_each(writable::warn_if_open);
        let at_data_dir = |cause| StartError::Path { path: config.data_dir.clone(), cause };
        let home = home_of(&config.storage())
            .map_err(|cause| StartError::Unusable { storage: root.name().to_owned(), cause: Unusable::unfit(cause) })?;
        log_records(&records)?;

        let space = Space::watching(&config.data_dir, root.directory(), config.min_free_bytes);
        let store = Store::new(root.clone(), tasks.clone(), clock.clone(), config.tuning, background.handle());
        let store = store.with_space(space.clone());
        let store = if locks.root.is_some() { store.without_rivals() } else { store };
        let contact = config.operator_contact.clone();
        let workspaces =
            Workspaces::start(records.clone(), clock.clone(), config.gates, config.limits, contact.clone()).await?;
        let bootstrap = config.bootstrap_key_file.as_deref();
        let keys = ApiKeys::open(records.clone(), clock.clone(), workspaces.clone(), bootstrap).await?;
        let context = Context {
            records: records.clone(),
            store: store.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            workspaces: workspaces.clone(),
        };
        let collections = Collections::new(context.clone());
        let swept = root.sweep_unfinished_uploads(collections.known_uids()?);
        let swept = swept.map_err(|cause| StartError::Path { path: root.name().into(), cause })?;
        if swept > 0 {
            tracing::info!(swept, "removed unfinished uploads");
        }
        collections.sweep_intents().await?;
        report_unknown(&collections, &store).await?;
        let snapshots = Snapshots::new(context.clone(), collections.clone());
        let restores = Restores::new(context.clone(), collections.clone(), snapshots.clone(), config.copy_mode);
        let import = Access::import(&config.data_dir).map_err(at_data_dir)?;
        let allowed = config.source_allow.clone().unwrap_or_else(|| vec![import.clone()]);
        let metadata = place(&config.data_dir.join(records::DIRECTORY)).map_err(at_data_dir)?;
        let access = Access::new(allowed, vec![metadata, home]);
        let access = access.with_import(import);
        let access = access.with_environment(config.source_environment.clone()).with_contact(contact);
        let sources = Sources::new(context, background.handle(), collections.clone(), access);
        let services = Services {
            keys,
            workspaces,
            collections,
            snapshots,
            restores,
            sources,
            clock: clock.clone(),
            space: space.clone(),
            limits: config.limits,
            tasks: tasks.clone(),
            patience: store.stream_patience(),
            shortest_retention: config.shortest_retention,
            shortest_scan_interval: config.shortest_scan_interval,
        };
        Ok(Self { services, config, tls, tasks, background, records, space, clock, _locks: locks })
    }

    /// Refuses to serve everybody who can reach an address (**A2**).
    pub fn check_listen(&self, address: SocketAddr) -> Result<(), StartError> {
        if address.ip().is_loopback() || self.services.keys.are_required() {
            Ok(())
        } else {
            Err(StartError::OpenToAll(address))
        }
    }

    /// What encrypts its connections, to be told of new files; absent: nothing does.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// Serves until `shutdown`, or until a part of the service fails.
    pub async fn serve(
        self,
        listeners: impl Into<Listeners>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), TaskError> {
        let Self { services, config, tls, tasks, background, records, space, clock, _locks } = self;
        let stop = tasks.stop_token();
        let sweep = config.sweep_every;
        let Services { keys, collections, snapshots, restores, sources, .. } = services.clone();
        tasks.worker("key expiry", keys.clone(), move |keys, stop| keys.watch_time(sweep, stop));
        tasks.worker("clock watch", (clock.clone(), records.clone()), move |(clock, records), stop| {
            timekeeper::watch(clock, records, sweep, stop)
        });
        if records.may_have_rivals() {
            tasks.worker("rival watch", records.clone(), move |records, stop| {
                records.watch_rivals(config.rivals_every, stop)
            });
        }
        tasks.worker("space watch", (space, tasks.clone()), move |(space, tasks), _| {
            space.watch(config.space_every, tasks)
        });
        tasks.worker("snapshot worker", snapshots, move |snapshots, stop| snapshots.run(sweep, stop));
        tasks.worker("restore worker", restores, move |restores, stop| restores.run(sweep, stop));
        tasks.worker("source worker", sources, move |sources, stop| sources.run(sweep, stop));
        tasks.worker("retire worker", collections.clone(), move |collections, stop| collections.retire(sweep, stop));
        tasks.worker("retention worker", collections.clone(), move |collections, stop| collections.expire(sweep, stop));
        tasks
            .worker("quota watch", collections.clone(), move |collections, stop| collections.watch_quotas(sweep, stop));
        let kept = (keys.clone(), collections.clone(), records.clone(), clock.clone());
        tasks.worker("housekeeping", kept, move |kept, stop| housekeeping(kept, sweep, stop));
        if let Some(tls) = tls.clone() {
            tasks.worker("certificate renewal", tls, move |tls, stop| tls.renew(config.transport.tls_look_every, stop));
        }
        let server = rpc::serve(services, config.transport, tls, listeners.into(), stop.clone());
        // Streams that are not ours (reflection, say) may never end by themselves,
        // nor those of clients that do not read.
        let patience = config.grace / 4;
        tasks.service("gRPC server", async move {
            let overdue = async {
                stop.cancelled().await;
                tokio::time::sleep(patience).await;
            };
            tokio::select! {
                ended = server => if let Err(error) = ended {
                    tracing::error!(error, "the gRPC server failed");
                },
                () = overdue => tracing::info!("connections were still open; they are closed"),
            }
        });

        let ended = tasks.until(shutdown).await;
        tracing::info!("stopping");
        tasks.cancel();
        let services_drained = tasks.drain_services(config.grace).await;
        if services_drained.is_ok() {
            tracing::info!("drained: no call and no worker is left");
        }
        if let Err(error) = keys.save_uses() {
            tracing::warn!(error = error.in_full(), "when API keys were last used was not saved");
        }
        if tokio::time::timeout(config.grace, collections.close_all()).await.is_err() {
            tracing::warn!("some collections did not close in time; their logs are replayed at the next open");
        }
        let work_drained = tasks.drain_work(config.grace).await;
        if tokio::time::timeout(config.grace, timekeeper::save(&clock, &records)).await.is_err() {
            tracing::warn!("the index of the records was not saved; the next start reads more of the log");
        }
        drop(background);
        let stopped = ended.and(services_drained).and(work_drained);
        if stopped.is_ok() {
            tracing::info!("stopped");
        }
        stopped
    }
}

/// The records of this server's root, and nothing else of the service.
pub struct Opened {
    /// The records.
    pub records: Records,
    /// The storage root.
    pub root: Root,
    /// Keep other processes away.
    pub locks: Locks,
}

/// What is this process's alone, until it is dropped.
#[derive(Debug)]
pub struct Locks {
    /// The data directory.
    pub data: File,
    /// The storage root, if it is a directory that can be locked.
    pub root: Option<File>,
}

/// Opens the records of a root that is this server's, and nobody else's now.
pub async fn open_records(config: &Config, clock: &Clock, tasks: &Tasks) -> Result<Opened, StartError> {
    let bucket = check_places(config).await?;
    let (data, fresh_data) = instance::lock(&config.data_dir).await?;
    let (root, fresh_root) = match bucket {
        Some(bucket) => (bucket, Fresh::default()),
        None => make_root(&config.storage())?,
    };
    let root_lock = instance::lock_root(&root).await?;
    let locks = Locks { data, root: root_lock };
    // Dropped before the locks are: what a refusal removes is still ours.
    let fresh = (fresh_root, fresh_data);
    let index = IndexState::find(&config.data_dir, tasks).await?;
    let mut found = records::look(&root).await?;
    let claim = instance::claim(&config.data_dir, &root, &index, &found).await?;
    let (Claim::Ready(uid) | Claim::TakeOver(uid)) = claim;
    let (fresh_root, fresh_data) = fresh;
    fresh_root.keep();
    fresh_data.keep();
    // What was found lasts from here on, also of the log.
    root.lay_out().await?;
    let log = Log::new(root.clone(), uid);
    let mut uses = Vec::new();
    if claim == Claim::TakeOver(uid) {
        instance::upgrade(&config.data_dir, &root, uid).await?;
        uses = upgrade::take_over(&root, &index, &log, clock).await?;
        found = log.look().await?;
    }
    let (clock, tasks) = (clock.clone(), tasks.clone());
    let opening = Opening {
        data_dir: &config.data_dir,
        index,
        log,
        found,
        policy: config.log_policy,
        clock,
        tasks,
        may_have_rivals: locks.root.is_none(),
    };
    let records = records::open(opening).await?;
    if let Some(older) = instance::older(&root).await? {
        if older.is_unsealed {
            upgrade::expect_all(&root, &records).await?;
        }
        if older.is_undivided {
            upgrade::divide(&records).await?;
        }
        instance::renew(&root, uid).await?;
    }
    upgrade::note_older(&root, &records)?;
    uses.iter().try_for_each(|used| records.cache().put(used))?;
    upgrade::remove_catalog(&root).await?;
    Ok(Opened { records, root, locks })
}

/// Refuses places that cannot be used, before anything is made in them. A bucket is tried,
/// and is the root then.
async fn check_places(config: &Config) -> Result<Option<Root>, StartError> {
    let path = &config.data_dir;
    writable::check_directory(path).map_err(|cause| StartError::DataDir { path: path.clone(), cause })?;
    let storage = config.storage();
    let checked = match &storage {
        Storage::Directory(directory) => writable::check_directory(directory).map(|()| None).map_err(Unusable::unfit),
        Storage::S3(_) => Root::open(&storage).await.map(Some),
    };
    checked.map_err(|cause| StartError::Unusable { storage: storage.to_string(), cause })
}

/// The root, if it is a directory, which is made if it is not there.
fn make_root(storage: &Storage) -> Result<(Root, Fresh), StartError> {
    let unusable = |cause: Unusable| StartError::Unusable { storage: storage.to_string(), cause };
    let Storage::Directory(directory) = storage else { return Err(unusable(Unusable::unfit("it is no directory"))) };
    let fresh = Fresh::directory(directory);
    let root = Root::local(directory).map_err(|error| unusable(error.into()))?;
    Ok((root, fresh))
}

/// Says how many there are of each kind.
fn log_records(records: &Records) -> Result<(), Error> {
    let kinds = records.count_kinds()?;
    let count = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
    tracing::info!(
        revision = records.revision(),
        workspaces = count("workspace"),
        collections = count("collection"),
        snapshots = count("snapshot"),
        restores = count("restore"),
        sources = count("source"),
        api_keys = count("API key"),
        all = kinds.values().sum::<usize>(),
        "records opened"
    );
    Ok(())
}

/// Closes what is idle and forgets what is over.
async fn housekeeping(
    (keys, collections, records, clock): (ApiKeys, Collections, Records, Clock),
    every: Duration,
    stop: tokio_util::sync::CancellationToken,
) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last_look: Option<tokio::time::Instant> = None;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        collections.close_idle().await;
        if last_look.is_some_and(|last| last.elapsed() < every * 60) {
            continue;
        }
        last_look = Some(tokio::time::Instant::now());
        if let Err(error) = idempotency::forget(&records, &clock).await {
            tracing::warn!(error = error.in_full(), "old request ids stay until the next look");
        }
        if let Err(error) = keys.tend().await {
            tracing::warn!(error = error.in_full(), "old API keys stay until the next look");
        }
        if let Err(error) = collections.tidy().await {
            tracing::warn!(error = error.in_full(), "what was left over stays until the next look");
        }
    }
}

/// The storage root as sources would name it.
fn home_of(storage: &Storage) -> std::io::Result<Location> {
    match storage {
        Storage::Directory(directory) => place(directory),
        Storage::S3(Bucket { name, prefix, .. }) => {
            format!("s3://{name}/{prefix}").parse().map_err(std::io::Error::other)
        }
    }
}

/// Nothing unknown is ever deleted, but someone should know.
async fn report_unknown(collections: &Collections, store: &Store) -> Result<(), Error> {
    let known = collections.known_uids()?;
    for name in store.present().await? {
        if !name.parse().is_ok_and(|uid| known.contains(&uid)) {
            tracing::warn!(directory = %name, "an unknown directory under collections/ is left alone");
        }
    }
    Ok(())
}

/// A runtime whose threads step back for others: compaction, verification and sources
/// use what writers leave.
struct Background(Option<Runtime>);

impl Background {
    fn start() -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(BACKGROUND_THREADS)
            .thread_name("stillframe-background")
            .on_thread_start(|| {
                let thread = rustix::thread::gettid();
                if let Err(error) = rustix::process::setpriority_process(Some(thread), BACKGROUND_NICE) {
                    tracing::debug!(%error, "background threads keep the normal priority");
                }
            })
            .enable_all()
            .build();
        let what = "the threads of background work cannot be started";
        Ok(Self(Some(runtime.map_err(|cause| StartError::System { what, cause })?)))
    }

    #[allow(clippy::expect_used, reason = "only Drop takes it")]
    fn handle(&self) -> tokio::runtime::Handle {
        self.0.as_ref().expect("running").handle().clone()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting would block the thread that drops it.
            runtime.shutdown_background();
        }
    }
}
