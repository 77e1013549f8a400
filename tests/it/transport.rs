//! How clients connect: TLS with real chains, and every limit of connections,
//! streams and time at its edge.

mod age;
mod answers;
pub mod authority;
mod chain;
mod closing;
mod compression;
mod deadlines;
mod door;
mod files;
mod foreign;
mod frames;
mod gone;
mod health;
mod keepalive;
mod memory;
mod mutual;
mod patience;
mod raw;
mod reflection;
mod renewal;
mod request_ids;
mod resets;
mod strangers;
mod streams;
mod unknown;

use std::{net::SocketAddr, sync::Arc};

use hyper_util::rt::TokioIo;
use stillframe::{pb, rpc::Transport};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{self, ClientConfig, SupportedProtocolVersion, pki_types::ServerName},
};
use tonic::{
    Streaming,
    transport::{Channel, Endpoint, Error},
};

use self::authority::{Authority, Identity};
use crate::support::{TestServer, collection_name, upsert};

/// A server with a certificate that an authority below `root` has signed.
struct Encrypted {
    server: TestServer,
    root: Authority,
    files: TempDir,
}

impl Encrypted {
    async fn start(change: impl FnOnce(&mut Transport)) -> Self {
        Self::start_with(None, change).await
    }

    /// With clients' certificates checked, if there is someone to sign them.
    async fn start_with(clients: Option<&Authority>, change: impl FnOnce(&mut Transport)) -> Self {
        let root = Authority::root("root");
        let identity = root.below("intermediate").server(|_| {});
        Self::start_as(root, &identity, clients, change).await
    }

    async fn start_as(
        root: Authority,
        identity: &Identity,
        clients: Option<&Authority>,
        change: impl FnOnce(&mut Transport),
    ) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut tls = identity.store(files.path());
        tls.client_ca = clients.map(|clients| clients.store(files.path()));
        let server = TestServer::start_with(|config| {
            config.transport.tls = Some(tls);
            change(&mut config.transport);
        });
        Self { server: server.await, root, files }
    }

    /// A channel of a client that trusts the root.
    async fn channel(&self, identity: Option<&Identity>) -> Channel {
        channel(self.server.address, config(&self.root, identity)).await
    }

    /// Whether a client gets an answer. With TLS 1.3 one that is refused may hear of it
    /// anywhere between its handshake and its first call.
    async fn lets_in(&self, identity: Option<&Identity>) -> bool {
        match try_channel(self.server.address, config(&self.root, identity)).await {
            Ok(channel) => call(&channel).await.is_ok(),
            Err(_) => false,
        }
    }

    async fn shake_hands(&self, identity: Option<&Identity>) -> std::io::Result<TlsStream<TcpStream>> {
        shake_hands(self.server.address, config(&self.root, identity)).await
    }
}

/// A client that trusts a root.
pub fn config(root: &Authority, identity: Option<&Identity>) -> Arc<ClientConfig> {
    config_of(rustls::DEFAULT_VERSIONS, root, identity)
}

/// The same, of certain versions of TLS only.
fn config_of(
    versions: &[&'static SupportedProtocolVersion],
    root: &Authority,
    identity: Option<&Identity>,
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(root.trusted());
    let mut config = match identity {
        Some(Identity { chain, key }) => builder.with_client_auth_cert(chain.clone(), authority::der(key)).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

pub async fn shake_hands(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), socket).await
}

async fn channel(address: SocketAddr, config: Arc<ClientConfig>) -> Channel {
    try_channel(address, config).await.unwrap()
}

async fn try_channel(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Channel, Error> {
    let connector = tower::service_fn(move |_| {
        let config = Arc::clone(&config);
        async move { shake_hands(address, config).await.map(TokioIo::new) }
    });
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_with_connector(connector).await
}

/// A connection of its own, without TLS.
pub async fn plain(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// One call.
pub async fn call(channel: &Channel) -> Result<pb::Workspace, tonic::Status> {
    let mut client = pb::workspace_service_client::WorkspaceServiceClient::new(channel.clone());
    let request = pb::GetWorkspaceRequest { name: crate::support::COMMONS.to_owned() };
    Ok(client.get_workspace(request).await?.into_inner())
}

/// Fails if something is done although it has to wait: the server has answered many
/// calls meanwhile.
async fn waits<T>(waiting: impl Future<Output = T>, others: &[&Channel]) {
    let calls = async {
        for _ in 0..20 {
            for channel in others {
                call(channel).await.unwrap();
            }
        }
    };
    tokio::select! {
        biased;
        _ = waiting => panic!("it does not wait"),
        () = calls => {}
    }
}

/// What rustls says about a failure.
fn tls_error(error: &std::io::Error) -> &rustls::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.unwrap_or_else(|| panic!("{error:?} is not of TLS"))
}

/// A collection without documents, to look with.
const EMPTY: &str = "empty";

/// Eight texts to look for, in documents that have them at every byte and nowhere as a
/// word: the most that a filter may cost, for all of them half a minute and more. A page of a
/// list looks at more documents than there are.
const SLOW: &str = "a a a a a a a a";
const SLOW_DOCUMENTS: usize = 3_000;

/// A server with one place for a scan beside that of a [`Witness`].
async fn given_slow_documents() -> TestServer {
    let mut server = TestServer::start_with(|config| config.tuning.scans_at_once = 2).await;
    server.given_collection(EMPTY).await;
    server.given_collection("c").await;
    let json = format!(r#"{{"text":"{}"}}"#, "a".repeat(16 << 10));
    let writes: Vec<_> = (0..SLOW_DOCUMENTS).map(|n| upsert(&format!("{n:06}"), &json)).collect();
    for batch in writes.chunks(500) {
        server.write("c", batch.to_vec()).await;
    }
    server
}

fn slow_list() -> pb::ListDocumentsRequest {
    pb::ListDocumentsRequest { collection: collection_name("c"), filter: SLOW.to_owned(), ..Default::default() }
}

fn slow_stream() -> pb::StreamDocumentsRequest {
    pb::StreamDocumentsRequest { collection: collection_name("c"), filter: SLOW.to_owned(), ..Default::default() }
}

/// A scan of all slow documents that nobody ends. While it is under way, one that
/// began behind it and has ended was ended, however fast or busy the machine is.
struct Witness(Streaming<pb::StreamDocumentsResponse>);

impl Witness {
    async fn begin(server: &mut TestServer) -> Self {
        let mut stream = server.documents.stream_documents(slow_stream()).await.unwrap().into_inner();
        stream.message().await.unwrap().expect("the offset at once");
        Self(stream)
    }

    async fn must_be_under_way(mut self, server: &TestServer) {
        // Had it ended, we would hear of it beside the answers to so many calls.
        waits(self.0.message(), &[&server.channel]).await;
    }
}
