package justredis_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"justredis"
)

// Servers for the tests: on free ports, in folders of their own, gone when the test run is, however that ends.

// patience is how long a test waits for something that has to come.
const patience = 60 * time.Second

// until waits until something holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it has not come to hold: %s", what)
		}
	}
}

// ask gives the first bytes that a server answers to an inline command.
func ask(port int, words ...any) string {
	connection, err := net.DialTimeout("tcp", address(port), 2*time.Second)
	if err != nil {
		return ""
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprint(connection, strings.TrimSuffix(fmt.Sprintln(words...), "\n")+"\r\n")
	answer := make([]byte, 65536)
	count, _ := connection.Read(answer)
	return string(answer[:count])
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

type server struct {
	port, tlsPort int
	folder        string
	arguments     []string
	process       *exec.Cmd
}

// newServer starts a server; configuration, if there is one, is that of a sentinel.
func newServer(t testing.TB, configuration string, options ...string) *server {
	t.Helper()
	s := &server{}
	var err error
	if s.folder, err = os.MkdirTemp("", "justredis-"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		// Below the range from which the kernel takes the ports of outgoing connections.
		s.port = 10000 + rand.IntN(11000)*2
		s.tlsPort = s.port + 1
		s.arguments = nil
		if configuration != "" {
			path := filepath.Join(s.folder, "configuration")
			os.WriteFile(path, []byte(configuration), 0o600)
			s.arguments = append(s.arguments, path)
		}
		s.arguments = append(s.arguments, "--port", fmt.Sprint(s.port), "--bind", "127.0.0.1", "--daemonize", "no",
			"--dir", s.folder)
		if configuration == "" {
			s.arguments = append(s.arguments, "--save", "", "--unixsocket", s.socket(), "--repl-diskless-sync-delay",
				"0", "--enable-debug-command", "local")
		}
		for _, option := range options {
			s.arguments = append(s.arguments, strings.ReplaceAll(option, "{tls}", fmt.Sprint(s.tlsPort)))
		}
		if s.start() {
			return s
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
	t.Fatalf("the server does not start:\n%s", log)
	return nil
}

func (s *server) socket() string { return filepath.Join(s.folder, "socket") }

func (s *server) start() bool {
	binary := os.Getenv("JR_TEST_SERVER")
	if binary == "" {
		binary = "redis-server"
	}
	log, err := os.Create(filepath.Join(s.folder, "log"))
	if err != nil {
		return false
	}
	defer log.Close()
	s.process = exec.Command(binary, s.arguments...)
	s.process.Stdout, s.process.Stderr = log, log
	if guard, err := exec.LookPath("setpriv"); err == nil {
		// The kernel ends it even when this process is killed outright.
		s.process = exec.Command(guard, append([]string{"--pdeathsig", "KILL", binary}, s.arguments...)...)
		s.process.Stdout, s.process.Stderr = log, log
	}
	if s.process.Start() != nil {
		return false
	}
	ended := make(chan struct{})
	go func() {
		s.process.Wait()
		close(ended)
	}()
	for {
		if strings.Contains(ask(s.port, "INFO", "server"), fmt.Sprintf("process_id:%d", s.process.Process.Pid)) {
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *server) stop() {
	s.process.Process.Signal(syscall.SIGKILL)
	for s.process.Process.Signal(syscall.Signal(0)) == nil {
		time.Sleep(time.Millisecond)
	}
}

func (s *server) end() {
	s.stop()
	os.RemoveAll(s.folder)
}

func (s *server) url() string { return "redis://" + address(s.port) }

// shared is a server, or several, that tests have in common.
type shared[T any] struct {
	once  sync.Once
	value T
	make  func(t testing.TB) T
}

func (s *shared[T]) get(t testing.TB) T {
	t.Helper()
	s.once.Do(func() { s.value = s.make(t) })
	return s.value
}

var (
	ends      []func()
	oneServer = shared[*server]{make: func(t testing.TB) *server { return ending(newServer(t, "")) }}
	cluster   = shared[[]*server]{make: newCluster}
	watched   = shared[*watch]{make: newWatch}
	tls       = shared[*server]{make: func(t testing.TB) *server {
		folder := certificates.get(t)
		return ending(newServer(t, "", "--tls-port", "{tls}", "--tls-cert-file", folder+"/server.pem",
			"--tls-key-file", folder+"/server.key", "--tls-ca-cert-file", folder+"/ca.pem", "--tls-auth-clients", "no"))
	}}
	certificates = shared[string]{make: func(t testing.TB) string {
		folder, err := exec.Command("../../scripts/certificates").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(folder))
	}}
)

func ending(s *server) *server {
	ends = append(ends, s.end)
	return s
}

// newCluster starts three nodes, each with a third of the slots.
func newCluster(t testing.TB) []*server {
	var nodes []*server
	for index := range 3 {
		bus := 32000 + rand.IntN(700)
		node := ending(newServer(t, "", "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(bus)))
		nodes = append(nodes, node)
		says(t, node, "+OK", "CLUSTER ADDSLOTSRANGE", index*16384/3, (index+1)*16384/3-1)
		says(t, node, "+OK", "CLUSTER SET-CONFIG-EPOCH", index+1)
		if index > 0 {
			says(t, nodes[0], "+OK", "CLUSTER MEET 127.0.0.1", node.port, bus)
		}
	}
	for _, node := range nodes {
		says(t, node, "cluster_state:ok", "CLUSTER INFO")
		says(t, node, "cluster_known_nodes:3", "CLUSTER INFO")
	}
	return nodes
}

func clusterURL(t testing.TB) string {
	var addresses []string
	for _, node := range cluster.get(t) {
		addresses = append(addresses, address(node.port))
	}
	return "redis://" + strings.Join(addresses, ",") + "?topology=cluster"
}

// says waits until a server answers something.
func says(t testing.TB, s *server, what string, words ...any) {
	t.Helper()
	until(t, fmt.Sprint(words, " says ", what), func() bool { return strings.Contains(ask(s.port, words...), what) })
}

// watch is a primary with a replica, and three sentinels that watch them.
type watch struct {
	primary, replica *server
	sentinels        []*server
}

func newWatch(t testing.TB) *watch {
	w := &watch{primary: ending(newServer(t, ""))}
	w.replica = ending(newServer(t, "", "--replicaof", "127.0.0.1", fmt.Sprint(w.primary.port)))
	text := fmt.Sprintf("sentinel monitor primary 127.0.0.1 %d 2\n"+
		"sentinel down-after-milliseconds primary 5000\nsentinel failover-timeout primary 10000\n", w.primary.port)
	for range 3 {
		w.sentinels = append(w.sentinels, ending(newServer(t, text, "--sentinel")))
	}
	for _, sentinel := range w.sentinels {
		says(t, sentinel, "*1", "SENTINEL REPLICAS primary")
		says(t, sentinel, "*2", "SENTINEL SENTINELS primary")
		says(t, sentinel, "+OK", "SENTINEL CKQUORUM primary")
	}
	return w
}

func (w *watch) url() string {
	var addresses []string
	for _, sentinel := range w.sentinels {
		addresses = append(addresses, address(sentinel.port))
	}
	return "redis-sentinel://" + strings.Join(addresses, ",") + "/primary"
}

// atStart is for what is started before the tests.
type atStart struct{ testing.TB }

func (atStart) Helper() {}

func (atStart) Fatal(reasons ...any) { log.Fatal(reasons...) }

func (atStart) Fatalf(format string, reasons ...any) { log.Fatalf(format, reasons...) }

func TestMain(m *testing.M) {
	if work := os.Getenv("JR_TEST_PROCESS"); work != "" {
		processes[work]()
		return
	}
	os.Setenv("JR_URL", oneServer.get(atStart{}).url()) // for the examples
	status := m.Run()
	for _, end := range ends {
		end()
	}
	os.Exit(status)
}

// processes are what a test has a process of its own do; see startProcess.
var processes = map[string]func(){}

// startProcess runs this program again for a work; it gives what that writes.
func startProcess(t testing.TB, work string, url string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(program)
	process.Env = append(os.Environ(), "JR_TEST_PROCESS="+work, "JR_URL="+url)
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	process.Stderr = process.Stdout
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Process.Kill()
		io.Copy(io.Discard, output)
		process.Wait()
	})
	return process, bufio.NewReader(output)
}

// shows says what capability of tests/bindings/capabilities.toml a test shows, and in which topology if it is shown in
// each; what comes of it is written down for the table of all bindings.
func shows(t *testing.T, capability string, topology ...string) {
	t.Cleanup(func() {
		path := os.Getenv("JR_CAPABILITIES")
		if path == "" {
			return
		}
		result := "ok"
		if t.Failed() {
			result = "FAILED"
		} else if t.Skipped() {
			result = "skipped"
		}
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintln(file, strings.Join(append([]string{"go", capability, result}, topology...), "\t"))
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
}

// open makes a client that is closed when the test ends.
func open(t testing.TB, url string, options ...justredis.Option) *justredis.Client {
	t.Helper()
	client, err := justredis.Open(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// empty makes a client of the common server, which is emptied.
func empty(t testing.TB, options ...justredis.Option) *justredis.Client {
	t.Helper()
	ask(oneServer.get(t).port, "FLUSHALL")
	return open(t, oneServer.get(t).url(), options...)
}

// bounded gives a context within which everything has to end.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// do runs a command that has to work.
func do(t testing.TB, on justredis.Doer, args ...any) justredis.Reply {
	t.Helper()
	reply, err := on.Do(bounded(t), args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}

// is compares what came with what was expected.
func is[T comparable](t testing.TB, found, expected T) {
	t.Helper()
	if found != expected {
		t.Fatalf("%v in place of %v", found, expected)
	}
}

// reads compares how replies look.
func reads(t testing.TB, found fmt.Stringer, expected string) {
	t.Helper()
	is(t, found.String(), expected)
}
