# frozen_string_literal: true

require "minitest/autorun"
require "open3"
require "rbconfig"
require "timeout"
require "justredis"
require_relative "servers"

# A test of the binding, with servers that are started when they are first asked for. `shows "name"` before a test says
# which capability of tests/bindings/capabilities.toml it shows, and with `topology:` where.
class RedisTest < Minitest::Test
  SHARED = {} # rubocop:disable Style/MutableConstant

  class << self
    def shown
      @shown ||= {}
    end

    def shows(*capabilities, topology: nil)
      @next = capabilities.map { |capability| [capability, topology] }
    end

    def method_added(name)
      super
      return unless @next

      shown[name.to_s] = @next
      @next = nil
    end
  end

  def run
    result = super
    path = ENV.fetch("JR_CAPABILITIES", nil)
    self.class.shown.fetch(name, []).each do |capability, topology|
      fields = ["ruby", capability, result.passed? ? "ok" : "FAILED", topology].compact
      File.write(path, "#{fields.join("\t")}\n", mode: "a") if path
    end
    result
  end

  # By the main thread: the servers end with the thread that has started them.
  def setup
    server
  end

  def teardown
    @opened&.each(&:close)
    @own&.each(&:finish)
    super
  end

  # A client of an empty server, which is closed behind the test.
  def redis(**options)
    server.ask("FLUSHALL") unless @flushed
    @flushed = true
    connect(url: server.url, **options)
  end

  def connect(**options)
    client = JustRedis.new(**options)
    (@opened ||= []) << client
    client
  end

  def server
    SHARED[:server] ||= Servers::Server.new
  end

  def cluster
    SHARED[:cluster] ||= Servers::Cluster.new
  end

  def watched
    SHARED[:watched] ||= Servers::Watched.new
  end

  def tls
    SHARED[:tls] ||= Servers.tls_server
  end

  # One that the test may stop.
  def own_server
    server = Servers::Server.new
    (@own ||= []) << server
    server
  end

  def until_true(seconds = 30, &block)
    Servers.until_true(seconds, &block)
  end

  def until_blocked(number)
    until_true { server.ask("INFO clients").include?("blocked_clients:#{number}") }
  end

  # Runs a program in an interpreter of its own: output, errors, status.
  def run_ruby(program, *arguments, environment: {})
    Open3.capture3(environment, RbConfig.ruby, "-e", program, *arguments.map(&:to_s))
  end

  # A block that ends in any case, and generously so.
  def bounded(seconds = 60, &block)
    Timeout.timeout(seconds, &block)
  end
end

Minitest.after_run { RedisTest::SHARED.each_value(&:finish) }
