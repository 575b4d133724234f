# frozen_string_literal: true

require "fileutils"
require "socket"
require "tmpdir"

# Servers for the tests: on free ports, in folders of their own, gone when the test run is, however that ends.
module Servers
  BINARY = ENV.fetch("JR_TEST_SERVER", "redis-server")
  # The kernel ends them even when this process is killed outright.
  GUARD = system("command -v setpriv >/dev/null") ? %w[setpriv --pdeathsig KILL] : []

  module_function

  # Waits until something holds, and gives what it is.
  def until_true(seconds = 30)
    ends = now + seconds
    loop do
      value = yield
      return value if value
      raise "it has not come to hold" if now > ends

      sleep 0.01
    end
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # The first bytes that a server answers to an inline command; "" if there is no server.
  def ask(port, *words)
    Socket.tcp("127.0.0.1", port, connect_timeout: 2) do |connection|
      connection.write("#{words.join(" ")}\r\n")
      connection.wait_readable(2) ? connection.readpartial(65_536) : ""
    end
  rescue SystemCallError, EOFError
    ""
  end

  # One server. It can be stopped and started again on its port.
  class Server
    attr_reader :port, :tls_port, :folder, :process

    def initialize(*options, configuration: nil, tls: false)
      @folder = Dir.mktmpdir("justredis-")
      @options = options.map(&:to_s)
      @configuration = configuration
      @tls = tls
      20.times do
        # Below the range from which the kernel takes the ports of outgoing connections.
        @port = 10_000 + (rand(11_000) * 2)
        @tls_port = @port + 1
        return if start
      end
      raise File.read("#{@folder}/log")
    end

    def start
      @process = Process.spawn(*GUARD, BINARY, *arguments, in: File::NULL, %i[out err] => ["#{@folder}/log", "w"])
      until Process.wait(@process, Process::WNOHANG)
        return true if Servers.ask(@port, "INFO", "server").include?("process_id:#{@process}")

        sleep 0.02
      end
      @process = nil
      false
    end

    def stop
      return unless @process

      Process.kill(:KILL, @process)
      Process.wait(@process)
      @process = nil
    end

    def finish
      stop
      FileUtils.rm_rf(@folder)
    end

    def url
      "redis://127.0.0.1:#{@port}"
    end

    def address
      "127.0.0.1:#{@port}"
    end

    def ask(*words)
      Servers.ask(@port, *words)
    end

    private

    def arguments
      given = []
      if @configuration
        File.write("#{@folder}/configuration", @configuration)
        given << "#{@folder}/configuration"
      end
      given.push("--port", @port.to_s, "--bind", "127.0.0.1", "--daemonize", "no", "--dir", @folder)
      unless @options.include?("--sentinel")
        given.push("--save", "", "--unixsocket", "#{@folder}/socket", "--repl-diskless-sync-delay", "0",
                   "--enable-debug-command", "local")
      end
      given.push("--tls-port", @tls_port.to_s) if @tls
      given + @options
    end
  end

  # Three nodes, each with a third of the slots.
  class Cluster
    attr_reader :servers

    def initialize
      @servers = []
      3.times { |index| add(index) }
      @servers.each do |server|
        Servers.until_true { server.ask("CLUSTER INFO").include?("cluster_state:ok") }
        Servers.until_true { server.ask("CLUSTER INFO").include?("cluster_known_nodes:3") }
      end
    end

    def url
      "redis://#{@servers.map(&:address).join(",")}?topology=cluster"
    end

    def finish
      @servers.each(&:finish)
    end

    private

    def add(index)
      bus = rand(32_000..32_699)
      server = Server.new("--cluster-enabled", "yes", "--cluster-port", bus)
      @servers << server
      range = [index * 16_384 / 3, ((index + 1) * 16_384 / 3) - 1]
      Servers.until_true { server.ask("CLUSTER ADDSLOTSRANGE", *range).include?("+OK") }
      Servers.until_true { server.ask("CLUSTER SET-CONFIG-EPOCH", index + 1).include?("+OK") }
      return if index.zero?

      Servers.until_true { @servers.first.ask("CLUSTER MEET 127.0.0.1", server.port, bus).include?("+OK") }
    end
  end

  # A primary with a replica, and three sentinels that watch them.
  class Watched
    attr_reader :primary, :replica, :sentinels

    def initialize
      @primary = Server.new
      @replica = Server.new("--replicaof", "127.0.0.1", @primary.port)
      text = "sentinel monitor primary 127.0.0.1 #{@primary.port} 2\n" \
             "sentinel down-after-milliseconds primary 1000\nsentinel failover-timeout primary 3000\n"
      @sentinels = Array.new(3) { Server.new("--sentinel", configuration: text) }
      @sentinels.each do |sentinel|
        Servers.until_true { sentinel.ask("SENTINEL REPLICAS primary").start_with?("*1") }
        Servers.until_true { sentinel.ask("SENTINEL SENTINELS primary").start_with?("*2") }
        Servers.until_true { sentinel.ask("SENTINEL CKQUORUM primary").include?("+OK") }
      end
    end

    def url
      "redis-sentinel://#{@sentinels.map(&:address).join(",")}/primary"
    end

    def finish
      [*@sentinels, @replica, @primary].each(&:finish)
    end
  end

  # The folder of the certificates for tests, which scripts/certificates of the repository makes.
  def certificates
    @certificates ||= IO.popen([File.expand_path("../../../scripts/certificates", __dir__)], &:read).strip
  end

  def tls_server
    Server.new("--tls-cert-file", "#{certificates}/server.pem", "--tls-key-file", "#{certificates}/server.key",
               "--tls-ca-cert-file", "#{certificates}/ca.pem", "--tls-auth-clients", "no", tls: true)
  end
end
