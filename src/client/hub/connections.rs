//! Which connection leads where: to the server of each topic, which may come to be another one.

use std::sync::Arc;

use super::{Directory, Hub, Subscribers, Successor};
use crate::client::destination::Destination;
use crate::client::topic::{Server, Topic};
use crate::connection::link::Link;

impl<D: Destination> Hub<D> {
    /// A topic and where it is asked for.
    pub(super) fn placed(&self, owner: &dyn Directory, topic: &Topic) -> (Topic, Server) {
        let server = match &self.base {
            Server::Any => owner.server_of(topic),
            // Whoever names a node gets what that has.
            at => at.clone(),
        };
        (topic.clone(), server)
    }

    /// The connection of this topic or, if it has none, another one; there may be others at any time.
    pub(in crate::client) fn link_for(&self, topic: Option<&Topic>) -> Option<Arc<Link>> {
        let subscribers = self.subscribers.lock();
        let server = topic.and_then(|topic| subscribers.subscriptions.server_of(topic));
        let connection = server.and_then(|server| subscribers.connections.get(server));
        let connection = connection.or_else(|| subscribers.connections.values().next());
        connection.map(|connection| Arc::clone(&connection.link))
    }

    /// The connection to any server, if there is one.
    pub(in crate::client) fn link_to_any(&self) -> Option<Arc<Link>> {
        let subscribers = self.subscribers.lock();
        subscribers.connections.get(&Server::Any).map(|connection| Arc::clone(&connection.link))
    }

    /// The map of the cluster has changed: sharded channels go to the nodes that it names for them.
    pub(in crate::client) fn follow_map(&self, owner: &dyn Directory) {
        if self.base == Server::Any {
            self.update(
                owner,
                |all| {
                    for topic in all.sharded() {
                        all.relocate(&topic, &owner.server_of(&topic));
                    }
                },
                None,
            );
        }
    }
}

impl<D: Destination> Subscribers<D> {
    /// The server whose messages are delivered from this connection.
    pub(super) fn server_of(&self, link: &Arc<Link>) -> Option<Server> {
        let mut all = self.connections.iter();
        all.find(|(_, connection)| Arc::ptr_eq(&connection.link, link)).map(|(server, _)| server.clone())
    }

    /// What is to take the place of the connection to a server.
    pub(super) fn successor_of(&mut self, server: &Server) -> Option<&mut Successor> {
        self.connections.get_mut(server)?.successor.as_mut()
    }

    /// The server for which this connection is to take the place of another one.
    pub(super) fn server_of_successor(&self, link: &Arc<Link>) -> Option<Server> {
        let mut all = self.connections.iter();
        let leads_to =
            |link_of: &Option<Successor>| link_of.as_ref().is_some_and(|successor| Arc::ptr_eq(&successor.link, link));
        all.find(|(_, connection)| leads_to(&connection.successor)).map(|(server, _)| server.clone())
    }
}
