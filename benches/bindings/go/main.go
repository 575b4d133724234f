// Measures the Go binding beside go-redis and rueidis: each work in turn, in rounds, and the medians of them. Each
// client runs in a process of its own, so that its CPU time can be told, on the same core as the server, as in the
// other benchmarks.
//
//	bench [--quick]
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// work is what is done: how many goroutines, and how many operations in all.
type work struct {
	shown      string
	name       string
	goroutines int
	count      int
}

var works = []work{
	{"1 goroutine", "get", 1, 60000},
	{"1 goroutine, context with a deadline", "deadline", 1, 60000},
	{"64 goroutines", "get", 64, 600000},
	{"64 goroutines, context with a deadline", "deadline", 64, 400000},
	{"a pipeline of 128", "pipeline", 1, 512000},
	{"LRANGE of 100, 1 goroutine", "lrange", 1, 20000},
	{"LRANGE of 100, 64 goroutines", "lrange", 64, 40000},
}

// done is what a process reports of one work.
type done struct {
	Count   int
	Seconds float64
	CPU     float64
}

func main() {
	if len(os.Args) == 6 {
		perform(os.Args[1:])
		return
	}
	rounds, divisor := 5, 1
	if slices.Contains(os.Args[1:], "--quick") {
		rounds, divisor = 3, 4
	}
	port, stop := startServer()
	defer stop()
	fmt.Printf("load average %s on %d cores; medians of %d runs each, k operations a second / us of CPU each\n",
		load(), runtime.NumCPU(), rounds)
	fmt.Println("| work | justredis | go-redis | rueidis | times go-redis | times rueidis |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, work := range works {
		rates, cpus := map[string][]float64{}, map[string][]float64{}
		for range rounds {
			for _, client := range clients {
				done := run(client.name, port, work, max(work.count/divisor/client.slower(work), 1000))
				rates[client.name] = append(rates[client.name], float64(done.Count)/done.Seconds/1000)
				cpus[client.name] = append(cpus[client.name], done.CPU/float64(done.Count)*1e6)
			}
		}
		line := "| " + work.shown
		for _, client := range clients {
			line += fmt.Sprintf(" | %.1f / %.2f", median(rates[client.name]), median(cpus[client.name]))
		}
		for _, client := range clients[1:] {
			line += fmt.Sprintf(" | %.2f", median(rates["justredis"])/median(rates[client.name]))
		}
		fmt.Println(line + " |")
	}
	fmt.Printf("load average %s\n", load())
}

// onOneCore makes a command that runs on the last core, where that can be had.
func onOneCore(program string, arguments ...string) *exec.Cmd {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return exec.Command(program, arguments...)
	}
	core := strconv.Itoa(runtime.NumCPU() - 1)
	return exec.Command(taskset, append([]string{"-c", core, program}, arguments...)...)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return strings.Fields(string(text) + " ?")[0]
}

func run(client string, port int, work work, count int) (result done) {
	program, err := os.Executable()
	check(err)
	command := onOneCore(program, client, strconv.Itoa(port), work.name, strconv.Itoa(work.goroutines),
		strconv.Itoa(count))
	command.Stderr = os.Stderr
	output, err := command.Output()
	check(err)
	check(json.Unmarshal(output, &result))
	return result
}

// startServer starts a server with what the works ask for.
func startServer() (int, func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	folder, err := os.MkdirTemp("", "justredis-bench-")
	check(err)
	server := onOneCore("redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir",
		folder)
	check(server.Start())
	stop := func() {
		server.Process.Kill()
		server.Wait()
		os.RemoveAll(folder)
	}
	for {
		connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		fmt.Fprintf(connection, "SET key %s\r\nRPUSH list %s\r\n", strings.Repeat("x", 32), strings.Repeat("item ", 100))
		connection.Read(make([]byte, 100))
		connection.Close()
		return port, stop
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
