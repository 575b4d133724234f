# frozen_string_literal: true

require_relative "helper"

# Commands and their answers, alone and together.
class CommandsTest < RedisTest
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
end
