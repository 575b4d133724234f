# frozen_string_literal: true

require_relative "helper"

# The capabilities of tests/bindings/capabilities.toml, but for threads, processes and signals.
class CapabilitiesTest < RedisTest
  shows "command"
  def test_words_of_any_bytes
    redis = self.redis(encoding: Encoding::BINARY)
    ["", "\r\n\0$5\r\n", (0..255).to_a.pack("C*") * 5000].each do |value|
      assert_equal "OK", redis.call("SET", "key", value)
      assert_equal value.b, redis.call("GET", "key")
    end
    { 7 => "7", 1.5 => "1.5", :word => "word", (2**70) => (2**70).to_s,
      Float::INFINITY => "inf" }.each do |word, stored|
      redis.call("SET", "key", word)
      assert_equal stored, redis.call("GET", "key")
    end
    assert_equal 0, redis.call("EXISTS", *(0...100))
    assert_equal 2, redis.call("HSET", "hash", { "a" => 1, b: [2] })
    [nil, true, Object.new, [nil], { a: nil }].each { |word| assert_raises(TypeError) { redis.call("GET", word) } }
    nested = []
    nested << nested
    assert_raises(ArgumentError) { redis.call("GET", nested) }
    assert_raises(JustRedis::Error) { redis.call }
  end

  shows "command"
  def test_answers_in_types_of_the_language
    redis = self.redis
    assert_equal 1, redis.call("INCR", "n")
    assert_nil redis.call("GET", "none")
    redis.call("SET", "text", "ä")
    assert_equal ["ä", Encoding::UTF_8], [redis.call("GET", "text"), redis.call("GET", "text").encoding]
    redis.call("RPUSH", "list", "a", "b")
    assert_equal %w[a b], redis.call("LRANGE", "list", 0, -1)
    redis.call("HSET", "hash", "field", "value")
    assert_equal({ "field" => "value" }, redis.call("HGETALL", "hash"))
    redis.call("SADD", "set", "a")
    assert_equal ["a"], redis.call("SMEMBERS", "set")
    redis.call("ZADD", "zset", "1.5", "a")
    assert_in_delta 1.5, redis.call("ZSCORE", "zset", "a")
    assert_equal 1_234_567_999_999_999_999_999_999_999_999_999_999, redis.call("DEBUG", "PROTOCOL", "bignum")
    assert_equal true, redis.call("DEBUG", "PROTOCOL", "true")
    assert_equal "This is a verbatim\nstring", redis.call("DEBUG", "PROTOCOL", "verbatim")
    assert_equal [1, ["a", nil], []], redis.call("EVAL", "return {1, {'a', false}, {}}", 0)
  end

  shows "errors"
  def test_errors_of_two_kinds
    redis = self.redis
    redis.set("text", "a")
    error = assert_raises(JustRedis::ReplyError) { redis.incr("text") }
    assert_equal "ERR value is not an integer or out of range", error.message
    assert_equal ["ERR", :server, :answered], [error.code, error.status, error.outcome]
    assert_raises(JustRedis::WrongTypeError) { redis.llen("text") }
    assert_kind_of JustRedis::ReplyError, redis.call("INCR", "text", exception: false)
    assert_kind_of JustRedis::ReplyError, redis.with(exception: false).hgetall("text")
    refused = assert_raises(JustRedis::RefusedError) { redis.select(1) }
    assert_match(/database/, refused.message)
    assert_equal :not_run, refused.outcome
    assert_raises(ArgumentError) { redis.call("GET", "a", timeuot: 1) }
    nobody = connect(port: 1)
    lost = assert_raises(JustRedis::CannotConnectError) { nobody.ping }
    assert_match(/127.0.0.1:1/, lost.message)
    assert_equal :not_run, lost.outcome
    assert_kind_of JustRedis::ConnectionError, lost
  end

  shows "many in flight"
  def test_a_thousand_in_flight
    later = redis.later
    replies = Array.new(1000) { later.incr("n") }
    assert_equal (1..1000).to_a, replies.map(&:value)
    assert_equal (1..1000).to_a, replies.map(&:value)
    wrong = later.call("INCR")
    assert_raises(JustRedis::ReplyError) { wrong.value }
    waiting = later.blpop("queue")
    refute waiting.done?
    refute waiting.wait(0.01)
    redis.rpush("queue", "a")
    assert waiting.wait(30)
    assert waiting.done?
    assert_equal %w[queue a], waiting.value
    assert_equal [1, "a"], later.pipelined { |p| p.rpush("list", "a") && p.lpop("list") }.value
    assert_equal true, later.expire("n", 100).value
  end

  def test_answers_that_nobody_asks_for_do_not_pile_up
    redis = self.redis
    20_000.times { redis.later.incr("n") }
    assert_equal "20000", redis.get("n")
    assert_operator JustRedis::Native::Queue.of_thread.outstanding, :<, 20_000
  end

  shows "pipeline"
  def test_a_pipeline
    redis = self.redis
    wrong = nil
    error = assert_raises(JustRedis::WrongTypeError) do
      redis.pipelined do |p|
        p.set("a", "1")
        wrong = p.lpush("a", "x")
        p.get("a")
      end
    end
    assert_raises(JustRedis::WrongTypeError) { wrong.value }
    assert_match(/WRONGTYPE/, error.message)
    answers = redis.pipelined(exception: false) { |p| [p.lpush("a", "x"), p.get("a"), p.exists?("a"), p.hgetall("h")] }
    assert_kind_of JustRedis::WrongTypeError, answers.shift
    assert_equal ["1", true, {}], answers
    assert_equal (1..1000).to_a, redis.pipelined { |p| 1000.times { |n| p.append("b", (n % 10).to_s) } }
    assert_equal [], redis.pipelined { |_| nil }
    assert_equal [[]], redis.pipelined { |p| p.lrange("none", 0, 1) }
    assert_equal [nil], redis.pipelined { |p| p.get("none") }
    future = nil
    redis.pipelined do |p|
      future = p.get("a")
      assert_raises(JustRedis::FutureNotReady) { future.value }
    end
    assert_equal "1", future.value
    assert_raises(ArgumentError) { redis.pipelined { redis.get("a") } }
    assert_raises(ArgumentError) { redis.pipelined }
  end

  shows "transaction"
  def test_a_transaction
    redis = self.redis
    value = nil
    assert_equal(["OK", 2], redis.multi { |t| t.set("a", "1") && value = t.incr("a") })
    assert_equal 2, value.value
    assert_raises(JustRedis::ReplyError) { redis.multi { |t| t.set("a", "9") && t.call("GET") } }
    assert_raises(KeyError) { redis.multi { |t| t.set("a", "9") && {}.fetch(:none) } }
    assert_equal "2", redis.get("a")
    assert_raises(JustRedis::WrongTypeError) { redis.multi { |t| t.incr("a") && t.llen("a") } }
    assert_equal "3", redis.get("a")
    assert_equal(["3"], redis.multi { |t| t.get("a") })
  end

  shows "watch"
  def test_a_watched_transaction
    redis = self.redis
    other = connect(url: server.url)
    done = redis.watch("n") do |w|
      assert_nil w.get("n")
      w.multi { |t| t.set("n", 1) }
    end
    assert_equal ["OK"], done
    lost = redis.watch("n") do |w|
      other.set("n", 5)
      w.multi { |t| t.set("n", 2) }
    end
    assert_nil lost
    # As redis-rb is used: the client stands for the connection that watches.
    lost = redis.watch("n") do
      other.set("n", 6) if redis.get("n") == "5"
      redis.multi { |t| t.set("n", 2) }
    end
    assert_nil lost
    assert_equal "6", redis.get("n")
    kept = nil
    redis.watch("n") do |w|
      kept = w
      redis.unwatch
      other.set("n", 7)
      assert_equal(["OK"], w.multi { |t| t.set("n", 8) })
    end
    assert_raises(JustRedis::ClosedError) { kept.get("n") }
    assert_raises(ArgumentError) { redis.watch("n") }
    assert_raises(ArgumentError) { redis.unwatch }
    assert_equal 3, (redis.lease { |lease| lease.call("SELECT", 3) && lease.client(:info)[/db=(\d)/, 1].to_i })
  end

  shows "blocking"
  def test_blocking_commands_block_nobody
    redis = self.redis
    waiting = Array.new(3) { |number| Thread.new { redis.blpop("queue:#{number}") } }
    until_blocked(3)
    [2, 1, 0].each do |number|
      assert_equal 1, redis.rpush("queue:#{number}", number)
      assert_equal ["queue:#{number}", number.to_s], waiting[number].value
    end
    assert_nil redis.blpop("none", timeout: 0.01)
    assert_nil redis.brpop(%w[none other], 0.01)
    assert_equal({}, redis.xread("stream", "$", block: 1) || {})
  end

  shows "pub/sub"
  def test_channels_and_patterns
    redis = self.redis
    redis.subscription("a") do |s|
      assert_equal [:subscribe, "a", 1], s.message.then { |m| [m.kind, m.channel, m.data] }
      s.subscribe("b").psubscribe("p*")
      assert_equal [:subscribe, "b", 2], s.message.then { |m| [m.kind, m.channel, m.data] }
      assert_equal [:psubscribe, "p*", 3], s.message.then { |m| [m.kind, m.pattern, m.data] }
      %w[a b pq none].each { |channel| redis.publish(channel, "text") }
      messages = Array.new(3) { s.message.then { |m| [m.kind, m.channel, m.pattern, m.data] } }
      assert_equal [[:message, "a", nil, "text"], [:message, "b", nil, "text"], [:pmessage, "pq", "p*", "text"]],
                   messages
      s.ping("are you there")
      assert_equal [:pong, "are you there"], s.message.then { |m| [m.kind, m.data] }
      s.unsubscribe("a")
      assert_equal [:unsubscribe, "a", 2], s.message.then { |m| [m.kind, m.channel, m.data] }
      redis.publish("a", "nobody")
      assert_nil s.message(timeout: 0.01)
      s.unsubscribe.punsubscribe
      assert_equal %i[punsubscribe unsubscribe], Array.new(2) { s.message.kind }.sort
      s.subscribe("again")
      assert_equal [:subscribe, "again"], s.message.then { |m| [m.kind, m.channel] }
      s.close
      assert_raises(JustRedis::ClosedError) { s.message }
      assert_raises(JustRedis::ClosedError) { s.subscribe("b") }
    end
    redis.subscription do |empty|
      assert_nil empty.message(timeout: 0.01)
      empty.psubscribe("p*").ping
      assert_equal %i[psubscribe pong], Array.new(2) { empty.message.kind }
    end
  end

  shows "pub/sub"
  def test_the_blocks_of_redis_rb
    redis = self.redis
    seen = []
    listening = Thread.new do
      redis.subscribe("a") do |on|
        on.subscribe { |channel, count| seen << [:subscribe, channel, count] }
        on.psubscribe { |pattern, count| seen << [:psubscribe, pattern, count] }
        on.unsubscribe { |channel, count| seen << [:unsubscribe, channel, count] }
        on.pmessage { |pattern, channel, text| seen << [pattern, channel, text] }
        on.message do |channel, text|
          seen << [channel, text]
          redis.psubscribe("p*") if text == "more"
          redis.punsubscribe && redis.unsubscribe("a") if text == "end"
        end
      end
    end
    until_true { redis.publish("a", "more") == 1 }
    until_true { redis.publish("pq", "text") == 1 }
    assert redis.subscribed?
    redis.publish("a", "end")
    bounded { listening.join }
    expected = [[:subscribe, "a", 1], %w[a more], [:psubscribe, "p*", 2], %w[p* pq text], %w[a end],
                [:unsubscribe, "a", 0]]
    assert_equal expected, seen
    refute redis.subscribed?
    assert_raises(ArgumentError) { redis.unsubscribe }
    assert_raises(JustRedis::TimeoutError) { redis.subscribe_with_timeout(0.01, "a") { |_on| nil } }
  end

  shows "pub/sub"
  def test_iterating_gives_the_messages
    redis = self.redis
    subscription = redis.subscribe("a").psubscribe("p*")
    [%w[a 1], %w[pq 2], %w[a end]].each { |channel, text| redis.publish(channel, text) }
    expected = [[:message, "a", nil, "1"], [:pmessage, "pq", "p*", "2"], [:message, "a", nil, "end"]]
    assert_equal expected, subscription.each.take(3).map { |m| [m.kind, m.channel, m.pattern, m.data] }
    redis.publish("a", "lazy")
    assert_equal "lazy", subscription.lazy.map(&:data).first
    subscription.close
    assert subscription.closed?
    assert_equal [], subscription.to_a
  end

  shows "gaps"
  def test_a_killed_subscriber_is_told
    redis = self.redis
    subscription = redis.subscription("channel")
    subscription.message
    last = -1
    sent = 0
    5.times do |round|
      20.times { redis.publish("channel", sent) && sent += 1 }
      redis.client(:kill, "TYPE", "pubsub")
      loop do
        message = subscription.message(timeout: 20)
        break if message.gap?

        assert_equal [:message, last + 1], [message.kind, message.data.to_i], "a hole that was not told"
        last += 1
      end
      assert_equal round + 1, subscription.gaps
      last = sent - 1
    end
    redis.publish("channel", "behind")
    assert_equal "behind", subscription.message(timeout: 20).data
    subscription.close
  end

  shows "gaps"
  def test_gaps_are_told_to_blocks_and_iterations
    redis = self.redis
    told = []
    listening = Thread.new do
      redis.subscribe("a") do |on|
        on.gap { told << :gap }
        on.subscribe { |_, _| told << :subscribe }
        on.message { |_, _| redis.unsubscribe }
      end
    end
    iterating = Thread.new { redis.subscription("b") { |s| s.each.first } }
    until_true { redis.pubsub(:numsub, "a", "b").grep(Integer).sum == 2 }
    redis.client(:kill, "TYPE", "pubsub")
    until_true { told == %i[subscribe gap subscribe] }
    redis.publish("a", "end")
    bounded { listening.join }
    redis.publish("b", "text")
    assert bounded { iterating.value }.gap?
  end

  shows "script"
  def test_a_script_by_its_digest
    redis = self.redis
    redis.config(:resetstat)
    3.times { assert_equal "a", redis.eval("return ARGV[1]", [], ["a"]) }
    redis.script(:flush)
    assert_equal "k", redis.eval("return KEYS[1]", keys: ["k"])
    assert_includes redis.info(:commandstats), "evalsha"
    sha = redis.script(:load, "return 1")
    assert_equal [true, [true, false]], [redis.script(:exists, sha), redis.script(:exists, [sha, "0" * 40])]
    assert_equal 1, redis.evalsha(sha)
    assert_raises(JustRedis::NoScriptError) { redis.evalsha("0" * 40) }
  end

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

  shows "cache"
  def test_cached_reads
    redis = self.redis(cache_bytes: "1MiB")
    redis.set("key", "old")
    cached = redis.with(cached: true)
    10.times { assert_equal "old", cached.get("key") }
    assert_operator redis.statistics["cache_hits"], :>=, 9
    server.ask("SET", "key", "new")
    until_true { redis.call("GET", "key", cached: true) == "new" }
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

  shows "cancel"
  def test_a_reply_is_cancelled
    reply = redis.later.blpop("queue")
    until_blocked(1)
    assert reply.cancel
    error = assert_raises(JustRedis::CanceledError) { reply.value }
    assert_equal :not_run, error.outcome
    refute reply.cancel
    until_blocked(0)
  end

  shows "timeout"
  def test_a_deadline
    redis = self.redis
    error = assert_raises(JustRedis::TimeoutError) { redis.call("BLPOP", "nothing", 0, timeout: 0.02) }
    assert_equal :not_run, error.outcome
    assert_raises(JustRedis::TimeoutError) { redis.with(timeout: 0.02).blpop("nothing") }
    assert_equal "PONG", redis.call("PING", timeout: Float::INFINITY)
    [0, -1, Float::NAN].each { |wrong| assert_raises(ArgumentError) { redis.call("PING", timeout: wrong) } }
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

  shows "statistics"
  def test_events
    redis = self.redis
    redis.ping
    events = redis.events
    server.ask("CLIENT KILL TYPE normal")
    assert_equal %w[connected lost], Array.new(2) { redis.ping && events.event(timeout: 20)["event"] }.sort
    assert_nil events.event(timeout: 0.01)
    events.close
    lines = Thread.new { redis.monitor { |line| break line if line.include?("watch me") } }
    until_true { redis.echo("watch me") && !lines.alive? }
    assert_match(/ECHO/i, lines.value)
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
