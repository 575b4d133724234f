# frozen_string_literal: true

# Measures the Ruby binding beside Debian's redis-rb, with its own driver and with hiredis: each work in turn, in
# rounds, and the medians of them. A client of redis-rb serves one thread at a time: each thread has its own there.
#
#   ruby.rb [--quick]                    with justredis, redis and hiredis to be found by `require`
#   ruby.rb PORT CLIENT WORK THREADS COUNT   one run, as a line of JSON: operations, seconds, CPU seconds of the process
require "json"
require "open3"
require "rbconfig"
require "socket"
require "tmpdir"

# What is shown, work, threads, operations a run, and how many of them the others do.
WORKS = [
  ["one thread", "get", 1, 40_000, 20_000],
  ["16 threads", "get", 16, 80_000, 24_000],
  ["a pipeline of 128", "pipeline", 1, 256_000, 64_000],
  ["LRANGE of 100", "lrange", 1, 16_000, 8000],
  ["LRANGE of 100, 16 threads", "lrange", 16, 32_000, 16_000]
].freeze
CLIENTS = { "justredis" => 3, "redis-rb" => 4, "redis-rb, hiredis" => 4 }.freeze
BATCH = 128

# One work of one client, in a process of its own.
class Run
  def initialize(port, client, work, threads, count)
    @port = port
    @client = client
    @work = work
    @threads = threads
    @each = count / threads
  end

  def measure
    calls = Array.new(@threads) { work_of(client) }
    calls.each { |call| call.call(1) }
    started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    before = Process.times
    Array.new(@threads) { |index| Thread.new { calls[index].call(@each) } }.each(&:join)
    seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
    after = Process.times
    cpu = after.utime + after.stime - before.utime - before.stime
    puts JSON.generate(count: @each * @threads, seconds: seconds, cpu: cpu)
  end

  private

  def client
    if @client == "justredis"
      require "justredis"
      return @shared ||= JustRedis.new(host: "127.0.0.1", port: @port)
    end
    require "redis"
    require "hiredis" if @client.include?("hiredis")
    Redis.new(host: "127.0.0.1", port: @port, driver: @client.include?("hiredis") ? :hiredis : :ruby)
  end

  def work_of(redis)
    case @work
    when "get" then ->(count) { count.times { redis.get("key") } }
    when "lrange" then ->(count) { count.times { redis.lrange("list", 0, -1) } }
    else ->(count) { (count / BATCH).times { redis.pipelined { |p| BATCH.times { p.get("key") } } } }
    end
  end
end

def start_server(folder)
  port = TCPServer.open("127.0.0.1", 0) { |free| free.addr[1] }
  process = spawn("redis-server", "--port", port.to_s, "--bind", "127.0.0.1", "--save", "", "--dir", folder,
                  out: File::NULL)
  begin
    Socket.tcp("127.0.0.1", port) do |connection|
      connection.write("SET key #{"x" * 32}\r\nRPUSH list #{"item " * 100}\r\n")
      connection.readpartial(100)
    end
  rescue SystemCallError
    sleep 0.05
    retry
  end
  [process, port]
end

def run(port, client, work, count)
  arguments = [port, client, work[1], work[2], count].map(&:to_s)
  output, status = Open3.capture2(RbConfig.ruby, __FILE__, *arguments)
  abort("bench: #{arguments.join(" ")} failed") unless status.success?
  done = JSON.parse(output)
  [done["count"] / done["seconds"] / 1000, done["cpu"] / done["count"] * 1e6]
end

def median(runs)
  runs.transpose.map { |column| column.sort[column.size / 2] }
end

def line(port, work, rounds, divisor)
  runs = Hash.new { |hash, key| hash[key] = [] }
  rounds.times { CLIENTS.each { |name, at| runs[name] << run(port, name, work, work[at] / divisor) } }
  ours, *others = CLIENTS.keys.map { |name| median(runs[name]) }
  cells = [ours, *others].map { |rate, cpu| format("%<rate>.1f, %<cpu>.1f", rate: rate, cpu: cpu) }
  cells += others.map { |rate, cpu| format("%<r>.1f, %<c>.1f", r: ours[0] / rate, c: cpu / ours[1]) }
  puts "| #{work[0].ljust(26)} | #{cells.join(" | ")} |"
  $stdout.flush
end

def compare(quick)
  rounds, divisor = quick ? [3, 4] : [5, 1]
  Dir.mktmpdir do |folder|
    server, port = start_server(folder)
    puts "load average #{File.read("/proc/loadavg").split.first}; k/s, us of CPU: medians of #{rounds} runs each; " \
         "then how many times as many, and how many times less CPU"
    puts "| work | #{CLIENTS.keys.join(" | ")} | beside redis-rb | beside hiredis |"
    puts "|---|---|---|---|---|---|"
    WORKS.each { |work| line(port, work, rounds, divisor) }
    puts "load average #{File.read("/proc/loadavg").split.first}"
  ensure
    Process.kill(:KILL, server)
    Process.wait(server)
  end
end

if ARGV.size == 5
  Run.new(ARGV[0].to_i, ARGV[1], ARGV[2], ARGV[3].to_i, ARGV[4].to_i).measure
else
  compare(ARGV.include?("--quick"))
end
