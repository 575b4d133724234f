# frozen_string_literal: true

require_relative "helper"

# Servers of all kinds, how the client gets to them, and how it leaves them.
class ServersTest < RedisTest
  shows "databases"
  def test_databases
    redis = self.redis
    redis.set("key", "zero")
    three = redis.database(3)
    three.set("key", "three")
    assert_equal %w[zero three], [redis.database(0).get("key"), three.get("key")]
    assert_equal "three", connect(url: "#{server.url}/3").get("key")
    assert_equal "three", connect(host: "127.0.0.1", port: server.port, db: 3).get("key")
    assert_raises(RangeError) { redis.database(-1) }
    three.close
    assert_raises(JustRedis::ClosedError) { three.get("key") }
    assert_equal "zero", redis.get("key")
  end

  shows "cluster"
  def test_a_cluster
    redis = connect(url: cluster.url)
    redis.call("FLUSHALL", route: "primaries")
    100.times { |number| redis.set("key:#{number}", number) }
    sizes = redis.with(route: "primaries").dbsize
    assert_equal cluster.servers.map(&:address).sort, sizes.keys.sort
    assert_equal 100, sizes.values.sum
    assert_operator sizes.values.min, :>, 0
    keys = Array.new(100) { |number| "key:#{number}" }
    assert_equal (0...100).map(&:to_s), redis.mget(keys)
    assert_equal keys.sort, redis.scan_each(match: "key:*").to_a.uniq.sort
    assert_includes cluster.servers.map(&:address), redis.locate("key:1")["primary"]
    redis.subscription(shards: %w[one two]) do |s|
      redis.call("SPUBLISH", "two", "text")
      assert_equal [:smessage, "two", "text"], s.each.first.then { |m| [m.kind, m.channel, m.data] }
    end
    named = connect(cluster: cluster.servers.map { |one| "redis://#{one.address}" })
    assert_equal "7", named.get("key:7")
  end

  shows "sentinel"
  def test_sentinels
    redis = connect(url: watched.url)
    assert_equal "master", redis.role.first
    assert_equal 3, redis.statistics["sentinels"].size
    nodes = watched.sentinels.map { |one| { host: "127.0.0.1", port: one.port } }
    assert_equal "master", connect(name: "primary", sentinels: nodes).role.first
    named = connect(url: "redis://primary/2", sentinels: nodes, role: :master)
    assert_match(/ db=2 /, named.call("CLIENT", "INFO"))
  end

  shows "replica reads"
  def test_a_replica_answers
    redis = connect(url: watched.url, read_from: "replica")
    redis.set("key", "value")
    watched.replica.ask("CONFIG RESETSTAT")
    until_true { redis.get("key") == "value" }
    assert_includes watched.replica.ask("INFO commandstats"), "cmdstat_get:"
    assert_equal "value", redis.call("GET", "key", replica: true)
    watched.replica.ask("CONFIG RESETSTAT")
    preferring = connect(url: watched.url).with(replica: true)
    until_true { preferring.get("key") && watched.replica.ask("INFO commandstats").include?("cmdstat_get:") }
  end

  shows "TLS"
  def test_tls
    url = "rediss://localhost:#{tls.tls_port}"
    assert_equal "PONG", connect(url: url, tls_ca: "#{Servers.certificates}/ca.pem").ping
    assert_equal "PONG", connect(host: "localhost", port: tls.tls_port, ssl: true,
                                 ssl_params: { ca_file: "#{Servers.certificates}/ca.pem" }).ping
    wrong = connect(url: url, tls_ca: "#{Servers.certificates}/other-ca.pem")
    error = assert_raises(JustRedis::TlsError) { wrong.ping }
    assert_match(/none of the authorities in tls_ca/, error.message)
  end

  shows "unix socket"
  def test_a_unix_socket
    assert_equal "PONG", connect(url: "unix://#{server.folder}/socket").ping
    redis = connect(path: "#{server.folder}/socket")
    assert_equal "PONG", redis.ping
    assert_equal "#{server.folder}/socket", redis.statistics["nodes"].first["address"]
  end

  shows "credentials"
  def test_credentials
    server = own_server
    server.ask("CONFIG SET requirepass first")
    redis = connect(url: server.url, password: "first")
    assert_equal "PONG", redis.ping
    redis.acl(:setuser, "other", "on", ">second", "~*", "+@all")
    redis.set_credentials("other", "second")
    until_true { redis.acl(:whoami) == "other" }
    assert_raises(JustRedis::AuthenticationError) { connect(url: server.url, password: "wrong").ping }
  end

  shows "credentials"
  def test_a_function_for_credentials
    server = own_server
    server.ask("CONFIG SET requirepass first")
    asked = []
    redis = connect(url: server.url, credentials: lambda { |query|
      asked << [query.address, query.purpose, query.reason]
      [nil, "first", 3600]
    })
    assert_equal "PONG", redis.ping
    assert_equal [server.address, :data, :connect], asked.first
    assert_equal "PONG", connect(url: server.url, credentials: ->(_) { "first" }).ping
    none = connect(url: server.url, credentials: ->(_) { raise JustRedis::AuthenticationError })
    assert_raises(JustRedis::AuthenticationError) { none.ping }
  end

  shows "reconnect"
  def test_reconnecting
    server = own_server
    redis = connect(url: server.url)
    redis.set("key", "value")
    server.ask("CLIENT KILL TYPE normal")
    assert_equal "value", redis.get("key")
    server.stop
    reply = redis.with(timeout: 30).later.ping
    server.start
    assert_equal "PONG", reply.value
  end

  shows "statistics"
  def test_statistics
    redis = self.redis
    redis.ping
    statistics = redis.statistics
    assert_equal server.address, statistics["nodes"].first["address"]
    assert_equal ["commands", 0], [statistics["links"].first["purpose"], statistics["requests"]]
    assert redis.connected?
  end

  shows "dialer"
  def test_the_program_dials
    dialled = []
    dial = lambda do |address, timeout|
      dialled << [address, timeout.positive?]
      Socket.tcp("127.0.0.1", server.port)
    end
    redis = connect(host: "nowhere.invalid", port: 1, dialer: dial)
    assert_equal "PONG", redis.ping
    assert_equal ["nowhere.invalid:1", true], dialled.first
    number = ->(_, _) { Socket.tcp("127.0.0.1", server.port).tap { |socket| socket.autoclose = false }.fileno }
    assert_equal "PONG", connect(dialer: number).ping
    refuse = connect(dialer: ->(_, _) { raise Errno::ECONNREFUSED })
    error = assert_raises(JustRedis::CannotConnectError) { refuse.ping }
    assert_match(/refused/, error.message)
    assert_output(nil, /the dialer failed.*no such thing/m) do
      assert_raises(JustRedis::ConnectionError) { connect(dialer: ->(_, _) { raise "no such thing" }).ping }
    end
  end

  shows "close"
  def test_closing
    redis = self.redis
    redis.set("key", "value")
    blocked = redis.later.blpop("queue")
    replies = Array.new(100) { redis.later.get("key") }
    redis.close
    assert_equal ["value"] * 100, replies.map(&:value)
    assert_raises(JustRedis::Error) { blocked.value }
    assert_raises(JustRedis::ClosedError) { redis.get("key") }
    redis.close
  end

  shows "close"
  def test_closing_leaves_no_thread_and_no_descriptor
    program = <<~RUBY
      require "justredis"
      def use(url)
        dialer = ->(_, _) { Socket.tcp("127.0.0.1", url[/\\d+$/].to_i) }
        redis = JustRedis.new(url: url, dialer: (dialer if rand < 0.5))
        redis.ping
        Array.new(100) { redis.later.get("key") }.each(&:value)
        waiting = Thread.new { redis.blpop("queue") rescue nil }
        Thread.pass until redis.statistics["dedicated"]["in_use"] == 1
        redis.close
        waiting.join
      end
      def counts
        [Dir.children("/proc/self/fd").size, Dir.children("/proc/self/task").size, Thread.list.size]
      end
      use(ARGV.first)
      # Ruby keeps the kernel's thread of one that has ended for some seconds.
      2000.times { counts[1] > 1 && sleep(0.01) }
      before = counts
      5.times { use(ARGV.first) }
      2000.times { counts == before || sleep(0.01) }
      p counts == before || [before, counts]
    RUBY
    output, errors, = run_ruby(program, server.url)
    assert_equal ["true\n", ""], [output, errors]
  end

  def test_a_client_that_is_closed_before_its_first_use
    client = JustRedis.new(url: server.url)
    assert client.close
    assert_raises(JustRedis::ClosedError) { client.ping }
    assert client.close
    JustRedis.open(url: server.url) { |inner| assert_equal "PONG", inner.ping }
  end

  def test_configurations_that_are_wrong
    [{ conect_timeout: 1 }, { connect_timeout: "soon" }, { url: "http://a" }, { max_connections: -1 }].each do |wrong|
      assert_raises(JustRedis::ConfigError) { JustRedis.new(**wrong) }
    end
    assert_equal [%w[connect_timeout 250ms], %w[command_timeout none], %w[tcp_nodelay on]],
                 JustRedis::Configuration.read(nil, { connect_timeout: 0.25, read_timeout: Float::INFINITY,
                                                      tcp_nodelay: true, driver: :hiredis, replica: nil })
    assert_equal [%w[sentinel_name a], %w[username u], %w[password p%], %w[database 1], %w[tls on],
                  %w[endpoints h:1,[::1]:6379], %w[topology sentinel], %w[read_from replica]],
                 JustRedis::Configuration.read("rediss://u:p%25@a/1", { sentinels: [{ host: "h", port: 1 },
                                                                                    { host: "::1" }], role: "slave" })
    assert_equal [%w[read_from prefer_replica], %w[endpoints a:1,b:2], %w[topology cluster]].sort,
                 JustRedis::Configuration.read(nil, { cluster: ["redis://a:1", "b:2"], replica: true }).sort
  end
end
