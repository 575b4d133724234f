package justredis_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The examples run, and the README shows the first as it is.

// run runs an example, built as this test was.
func run(t *testing.T, name, url string) (output string, failed bool) {
	t.Helper()
	arguments := []string{"run"}
	if tags := os.Getenv("JR_GO_TAGS"); tags != "" {
		arguments = append(arguments, "-tags", tags)
	}
	example := exec.Command("go", append(arguments, "./examples/"+name)...)
	example.Env = append(os.Environ(), "JR_URL="+url)
	text, err := example.CombinedOutput()
	return string(text), err != nil
}

func TestHello(t *testing.T) {
	output, failed := run(t, "hello", oneServer.get(t).url())
	is(t, output, "SET: OK\nGET: Hello, World!\n")
	is(t, failed, false)
	output, failed = run(t, "hello", "redis://127.0.0.1:1")
	is(t, strings.Contains(output, "127.0.0.1:1: "), true)
	is(t, failed, true)
}

func TestTour(t *testing.T) {
	client := empty(t)
	output, failed := run(t, "tour", oneServer.get(t).url())
	is(t, output, "Hello, World!\nAtomic Hello, World!\nQueued Hello, World!\nPubSub Hello, World!\n")
	is(t, failed, false)
	is(t, do(t, client, "GET", "jr:example:Counter").Text(), "1")
}

func readme(t *testing.T) string {
	text, err := os.ReadFile("README.md")
	is(t, err, nil)
	return string(text)
}

// shownProgram is the first program of the README.
func shownProgram(t *testing.T) string {
	_, shown, _ := strings.Cut(readme(t), "<!-- examples/hello/main.go -->\n```go\n")
	shown, _, _ = strings.Cut(shown, "```")
	return shown
}

// As the README says it to a new user.
func TestTheFirstProgramInAnEmptyFolder(t *testing.T) {
	module, err := os.Getwd()
	is(t, err, nil)
	folder := t.TempDir()
	is(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(shownProgram(t)), 0o644), nil)
	run := "go run ."
	if tags := os.Getenv("JR_GO_TAGS"); tags != "" {
		run = "go run -tags " + tags + " ."
	}
	var text []byte
	for _, line := range []string{
		"go mod init hello",
		"go mod edit -require=justredis@v0.0.0 -replace=justredis=/path/to/justredis/bindings/go",
		run,
	} {
		if !strings.Contains(readme(t), line+"\n") {
			t.Fatal("the README does not say:", line)
		}
		words := strings.Fields(strings.ReplaceAll(line, "/path/to/justredis/bindings/go", module))
		step := exec.Command(words[0], words[1:]...)
		step.Dir, step.Env = folder, append(os.Environ(), "JR_URL="+oneServer.get(t).url())
		if text, err = step.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, text)
		}
	}
	is(t, string(text), "SET: OK\nGET: Hello, World!\n")
}

func TestTheReadmeShowsHello(t *testing.T) {
	shown := shownProgram(t)
	program, err := os.ReadFile("examples/hello/main.go")
	is(t, err, nil)
	is(t, shown, string(program))
}
