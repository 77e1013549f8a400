//! `ListWorkspaces`.

use stillframe::pb::{self, workspace::SnapshotPreview};

use crate::support::{TestServer, id_of, labels};

async fn listed(server: &mut TestServer, filter: &str, order_by: &str) -> Vec<String> {
    let (filter, order_by) = (filter.to_owned(), order_by.to_owned());
    let request = pb::ListWorkspacesRequest { filter, order_by, ..Default::default() };
    let listed = server.workspaces.list_workspaces(request).await.unwrap().into_inner();
    assert_eq!(listed.next_page_token, "");
    listed.workspaces.iter().map(|workspace| id_of(&workspace.name)).collect()
}

#[apply(on_each_storage!)]
async fn workspaces_are_filtered_and_ordered_by_each_field() {
    let mut server = TestServer::start().await;
    for (id, team) in [("b", "search"), ("a", "ads")] {
        let workspace = pb::Workspace {
            description: format!("Team {id}"),
            labels: labels([("team", team)]),
            snapshot_preview: if id == "a" { SnapshotPreview::Disabled } else { SnapshotPreview::Enabled }.into(),
            ..Default::default()
        };
        server.create_workspace(id, workspace).await.unwrap();
    }
    assert_eq!(listed(&mut server, "", "").await, ["a", "b", "commons"]);
    assert_eq!(listed(&mut server, "", "create_time").await, ["commons", "b", "a"]);
    assert_eq!(listed(&mut server, "", "name desc").await, ["commons", "b", "a"]);
    let change = pb::Workspace { name: "workspaces/b".to_owned(), description: "B".to_owned(), ..Default::default() };
    server.update_workspace(change, None).await.unwrap();
    assert_eq!(listed(&mut server, "", "update_time desc").await, ["b", "a", "commons"]);

    let filters: &[(&str, &[&str])] = &[
        ("name = workspaces/a", &["a"]),
        ("description = Team*", &["a"]),
        ("Team", &["a"]),
        ("snapshot_preview = SNAPSHOT_PREVIEW_DISABLED", &["a"]),
        ("labels.team = search", &["b"]),
        ("snapshot_preview = DISABLED", &["a"]),
        (r#"create_time > "2020-01-01T00:00:00Z" AND labels:team"#, &["a", "b"]),
        (r#"update_time < "2020-01-01T00:00:00Z""#, &[]),
    ];
    for (filter, expected) in filters {
        assert_eq!(listed(&mut server, filter, "").await, *expected, "{filter}");
    }
    server.stop().await;
}
