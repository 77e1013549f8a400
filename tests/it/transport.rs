//! How clients connect: TLS with real chains, and every limit of connections,
//! streams and time at its edge.

mod age;
mod authority;
mod chain;
mod closing;
mod deadlines;
mod door;
mod files;
mod gone;
mod keepalive;
mod memory;
mod mutual;
mod patience;
mod raw;
mod renewal;
mod streams;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use stillframe::{pb, rpc::Transport};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{self, ClientConfig, SupportedProtocolVersion, pki_types::ServerName},
};
use tonic::transport::{Channel, Endpoint};

use self::authority::{Authority, Identity};
use crate::support::{TestServer, collection_name, upsert};

/// How long we watch something that must not happen.
const A_WHILE: Duration = Duration::from_millis(200);

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

    async fn shake_hands(&self, identity: Option<&Identity>) -> std::io::Result<TlsStream<TcpStream>> {
        shake_hands(self.server.address, config(&self.root, identity)).await
    }
}

/// A client that trusts a root.
fn config(root: &Authority, identity: Option<&Identity>) -> Arc<ClientConfig> {
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

async fn shake_hands(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), socket).await
}

async fn channel(address: SocketAddr, config: Arc<ClientConfig>) -> Channel {
    let connector = tower::service_fn(move |_| {
        let config = Arc::clone(&config);
        async move { shake_hands(address, config).await.map(TokioIo::new) }
    });
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_with_connector(connector).await.unwrap()
}

/// A connection of its own, without TLS.
async fn plain(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// One call.
async fn call(channel: &Channel) -> Result<pb::Workspace, tonic::Status> {
    let mut client = pb::workspace_service_client::WorkspaceServiceClient::new(channel.clone());
    let request = pb::GetWorkspaceRequest { name: crate::support::COMMONS.to_owned() };
    Ok(client.get_workspace(request).await?.into_inner())
}

/// What rustls says about a failure.
fn tls_error(error: &std::io::Error) -> &rustls::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.unwrap_or_else(|| panic!("{error:?} is not of TLS"))
}

/// Each takes some 100,000 turns of a loop to filter.
async fn given_slow_documents(server: &mut TestServer, collection: &str, count: usize) {
    server.given_collection(collection).await;
    let numbers: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let json = format!(r#"{{"n":[{}]}}"#, numbers.join(","));
    let writes: Vec<_> = (0..count).map(|n| upsert(&format!("{n:06}"), &json)).collect();
    for batch in writes.chunks(2000) {
        server.write(collection, batch.to_vec()).await;
    }
}

const SLOW: &str = "doc.n.all(a, doc.n.all(b, b >= 0)) && false";

fn slow_list(collection: &str) -> pb::ListDocumentsRequest {
    pb::ListDocumentsRequest { collection: collection_name(collection), filter: SLOW.to_owned(), ..Default::default() }
}
