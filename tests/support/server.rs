//! Real servers: each in a directory of its own, on a free port, gone when the value is dropped and also when the
//! test process dies. A server is handed out only after it has answered and proved to be the process we started.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::guard::Guard;
use super::port;
use super::resp::{Answer, Plain};
use super::transport::{self, Tls};
use super::wait;

/// The program of the system.
const SYSTEM: &str = "redis-server";

/// How a server shall be started.
#[derive(Clone)]
pub struct Builder {
    binary: PathBuf,
    address: IpAddr,
    password: Option<String>,
    unix_socket: bool,
    tls: Option<Tls>,
    arguments: Vec<String>,
    config_file: Option<String>,
}

impl Builder {
    fn new(binary: PathBuf) -> Builder {
        let address = Ipv4Addr::LOCALHOST.into();
        let (tls, arguments) = (transport::current(), Vec::new());
        Builder { binary, address, password: None, unix_socket: false, tls, arguments, config_file: None }
    }

    /// Another program instead of `redis-server`.
    pub fn binary(mut self, binary: impl Into<PathBuf>) -> Builder {
        self.binary = binary.into();
        self
    }

    /// Another address instead of 127.0.0.1, such as `::1`.
    pub fn bind(mut self, address: impl Into<IpAddr>) -> Builder {
        self.address = address.into();
        self
    }

    /// That address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether it will speak TLS.
    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The password of the default user.
    pub fn password(mut self, password: &str) -> Builder {
        self.password = Some(password.to_owned());
        self
    }

    /// Listens on a Unix socket as well: [`Server::socket_path`].
    pub fn unix_socket(mut self) -> Builder {
        self.unix_socket = true;
        self
    }

    /// Speaks TLS in this way, whatever the transport of the run is. A program that was built without TLS gives way to
    /// the server of the system.
    pub fn tls(mut self, tls: Tls) -> Builder {
        if !knows_tls(&self.binary) {
            self.binary = SYSTEM.into();
        }
        self.tls = Some(tls);
        self
    }

    /// Speaks no TLS, whatever the transport of the run is.
    pub fn plain(mut self) -> Builder {
        self.tls = None;
        self
    }

    /// Any other arguments, as on the command line: `&["--maxclients", "10"]`.
    pub fn arguments(mut self, arguments: &[&str]) -> Builder {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Begins with a file of these lines, which the server may write anew.
    pub fn config_file(mut self, lines: &str) -> Builder {
        self.config_file = Some(lines.to_owned());
        self
    }

    /// Starts the server on a free port and waits until it answers.
    pub fn start(self) -> Server {
        let directory = tempfile::Builder::new().prefix("justredis-").tempdir().expect("a temporary directory");
        for _ in 0..20 {
            let plain = port::free(self.address);
            let port = if self.tls.is_some() { port::free(self.address) } else { plain };
            let ports = Ports { plain, port };
            match Running::start(&self, ports, directory.path()) {
                Ok(running) => {
                    return Server { builder: self, ports, directory, running: Mutex::new(Some(running)) };
                }
                Err(log) if log.contains("in use") => continue,
                Err(log) => panic!("{} does not start:\n{log}", self.binary.display()),
            }
        }
        panic!("{} found no free port", self.binary.display());
    }
}

/// A running server.
pub struct Server {
    builder: Builder,
    ports: Ports,
    directory: TempDir,
    running: Mutex<Option<Running>>,
}

/// Where a server listens.
#[derive(Clone, Copy)]
struct Ports {
    /// Without TLS.
    plain: u16,
    /// For clients; with TLS if the server speaks it, else the same.
    port: u16,
}

impl Server {
    /// A server on 127.0.0.1 without anything special.
    pub fn start() -> Server {
        Server::builder().start()
    }

    /// What `JR_TEST_SERVER` names, a program or a version such as `valkey-9.1`; else `redis-server`.
    pub fn builder() -> Builder {
        let Some(named) = std::env::var_os("JR_TEST_SERVER") else { return Builder::new(SYSTEM.into()) };
        match named.to_str().filter(|name| versions().iter().any(|known| known == name)) {
            Some(name) => Builder::new(program_of(name).unwrap_or_else(|| panic!("JR_TEST_SERVER: no {name}"))),
            None => Builder::new(named.into()),
        }
    }

    /// A server of a version that scripts/servers lists. `None`, and a line on stderr that no output capture keeps
    /// back, where it cannot be had; a panic where that must not be, on CI.
    pub fn version(name: &str) -> Option<Builder> {
        let program = program_of(name);
        let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(program.is_some() || !is_ci, "{name} cannot be had, and on CI nothing is skipped");
        program.map(Builder::new)
    }

    /// The TCP port for clients; it stays the same over [`Server::restart`].
    pub fn port(&self) -> u16 {
        self.ports.port
    }

    /// The TCP port without TLS; of a server that does not speak it, the same.
    pub fn plain_port(&self) -> u16 {
        self.ports.plain
    }

    /// Address and port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.builder.address, self.ports.port)
    }

    /// `redis://127.0.0.1:6379`, with the password when there is one; `rediss://` if the server speaks TLS.
    pub fn url(&self) -> String {
        let password = self.builder.password.as_ref().map_or(String::new(), |password| format!(":{password}@"));
        transport::url_over(self.builder.tls.is_some(), format!("{password}{}", self.address()))
    }

    /// The Unix socket; only of a server started with [`Builder::unix_socket`].
    pub fn socket_path(&self) -> PathBuf {
        assert!(self.builder.unix_socket, "this server was started without a Unix socket");
        socket_path(self.directory.path())
    }

    /// The server's own directory; it goes with the server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the server has printed since it was started last.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The number of the process.
    pub fn process(&self) -> u32 {
        self.running.lock().unwrap().as_ref().expect("the server runs").child.id()
    }

    /// Runs one command over a fresh connection of our own, authenticated when there is a password.
    pub fn command<T: AsRef<[u8]>>(&self, arguments: &[T]) -> Answer {
        self.try_command(arguments).expect("the server answers")
    }

    /// The same of a server that may be dead, or be told to part with its clients just now.
    pub fn try_command<T: AsRef<[u8]>>(&self, arguments: &[T]) -> io::Result<Answer> {
        self.connect().and_then(|mut plain| plain.command(arguments))
    }

    /// A connection of our own, authenticated when there is a password.
    pub fn connect(&self) -> io::Result<Plain> {
        connect(&self.builder, self.ports)
    }

    /// Ends the process with SIGKILL and waits for its end: the port then refuses. Harmless when it is dead.
    pub fn kill(&self) {
        if let Some(running) = self.running.lock().unwrap().take() {
            running.kill();
        }
    }

    /// Starts the server again on the same ports (after a kill, if it still runs) and waits until it answers.
    /// The data are gone, unless the arguments make it keep them.
    pub fn restart(&self) {
        self.kill();
        let running = wait::until_some("the port of the server to be free again", || {
            match Running::start(&self.builder, self.ports, self.directory.path()) {
                Ok(running) => Some(running),
                Err(log) if log.contains("in use") => None,
                Err(log) => panic!("the server does not start again:\n{log}"),
            }
        });
        *self.running.lock().unwrap() = Some(running);
    }

    /// The same with other arguments or at another address of the machine.
    pub fn restart_as(&mut self, change: impl FnOnce(Builder) -> Builder) {
        self.kill();
        self.builder = change(self.builder.clone());
        self.restart();
    }

    /// Freezes the process (SIGSTOP): connections are still accepted by the kernel, nothing answers.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on (SIGCONT).
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process()).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(id, signal).expect("the server takes the signal");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a program was built with TLS. Without certificates none starts, and one without TLS says so.
fn knows_tls(program: &Path) -> bool {
    static FOUND: Mutex<BTreeMap<PathBuf, bool>> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap();
    *found.entry(program.to_owned()).or_insert_with(|| {
        if program == Path::new(SYSTEM) {
            return true;
        }
        let arguments = ["--port", "0", "--tls-port", "1", "--logfile", ""];
        let output = Command::new(program).args(arguments).current_dir(std::env::temp_dir()).output();
        let said = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        !String::from_utf8_lossy(&said).contains("Failed finding TLS support")
    })
}

/// The versions that scripts/servers knows.
fn versions() -> &'static [String] {
    static VERSIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let listed = servers_script().output().expect("scripts/servers runs");
        String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
    });
    &VERSIONS
}

/// The program of a version, fetched if need be, and asked for once by a process; scripts/servers says why there is
/// none.
fn program_of(name: &str) -> Option<PathBuf> {
    static FOUND: Mutex<BTreeMap<String, Option<PathBuf>>> = Mutex::new(BTreeMap::new());
    assert!(versions().iter().any(|known| known == name), "scripts/servers has no {name}: {:?}", versions());
    let mut found = FOUND.lock().unwrap();
    let program = found.entry(name.to_owned()).or_insert_with(|| {
        // What it says on stderr is seen: a child's output is not captured as that of a test is.
        let output = servers_script().arg(name).stderr(Stdio::inherit()).output().expect("scripts/servers runs");
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !path.is_empty()).then(|| path.into())
    });
    program.clone()
}

fn servers_script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/servers"))
}

struct Running {
    child: Child,
    guard: Guard,
}

impl Running {
    /// Starts the process and waits until it answers; what it printed, when it ended instead.
    fn start(builder: &Builder, ports: Ports, directory: &Path) -> Result<Running, String> {
        let log = directory.join("log");
        let output = File::create(&log).expect("a file for the server's output");
        let child = command_line(builder, ports, directory)
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("a second descriptor"))
            .stdout(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", builder.binary.display()));
        let guard = Guard::watch(child.id(), directory);
        let mut running = Running { child, guard };
        let ended = wait::until_some("the server to answer PING", || match running.child.try_wait() {
            Ok(Some(status)) => Some(Some(status)),
            _ if running.answers(builder, ports) => Some(None),
            _ => None,
        });
        match ended {
            None => Ok(running),
            Some(status) => Err(running.obituary(status, &log)),
        }
    }

    /// True when the process that answers on the port is ours: another one may have taken it first.
    fn answers(&self, builder: &Builder, ports: Ports) -> bool {
        let Ok(mut plain) = connect(builder, ports) else { return false };
        let ready = matches!(plain.command(&["PING"]), Ok(Answer::Status(text)) if text == "PONG");
        let ours = format!("process_id:{}\r\n", self.child.id());
        ready && matches!(plain.command(&["INFO", "server"]), Ok(information) if information.text().contains(&ours))
    }

    fn obituary(self, status: ExitStatus, log: &Path) -> String {
        self.guard.dismiss();
        format!("{status}\n{}", std::fs::read_to_string(log).unwrap_or_default())
    }

    fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.guard.dismiss();
    }
}

fn command_line(builder: &Builder, ports: Ports, directory: &Path) -> Command {
    let mut command = Command::new(&builder.binary);
    if let Some(lines) = &builder.config_file {
        let path = directory.join("server.conf");
        if !path.exists() {
            std::fs::write(&path, lines).expect("a file for the server's configuration");
        }
        command.arg(path);
    }
    command.args(["--port", &ports.plain.to_string(), "--bind", &builder.address.to_string()]);
    if let Some(tls) = &builder.tls {
        command.args(tls.arguments(ports.port));
    }
    command.args(["--save", "", "--daemonize", "no", "--protected-mode", "no", "--enable-debug-command", "yes"]);
    command.arg("--dir").arg(directory);
    if let Some(password) = &builder.password {
        command.args(["--requirepass", password]);
    }
    if builder.unix_socket {
        command.arg("--unixsocket").arg(socket_path(directory));
    }
    command.args(&builder.arguments);
    command
}

fn socket_path(directory: &Path) -> PathBuf {
    directory.join("socket")
}

/// Without TLS.
fn connect(builder: &Builder, ports: Ports) -> io::Result<Plain> {
    let mut plain = Plain::connect(SocketAddr::new(builder.address, ports.plain))?;
    if let Some(password) = &builder.password {
        let answer = plain.command(&["AUTH", password])?;
        if !answer.is_ok() {
            return Err(io::Error::other(answer.text()));
        }
    }
    Ok(plain)
}
