# frozen_string_literal: true

require_relative "helper"
require "digest"
require "securerandom"

# The capabilities that are there everywhere, in each of the topologies that the file named by JR_TOPOLOGIES lists. The
# servers are not the test's own: it leaves them as they are, and has keys and channels that nobody else has.
class TopologiesTest < RedisTest
  TOPOLOGIES = File.readlines(ENV.fetch("JR_TOPOLOGIES"), chomp: true).to_h { |line| line.split("\t") }
  CAPABILITIES = {
    "command" => :words_of_any_bytes,
    "many in flight" => :a_thousand_in_flight,
    "pipeline" => :a_pipeline_with_an_error,
    "transaction" => :transactions,
    "watch" => :watched_transactions,
    "blocking" => :blocking_commands,
    "pub/sub" => :channels_and_patterns,
    "script" => :scripts_by_their_digests,
    "cache" => :cached_reads,
    "cancel" => :commands_that_are_given_up,
    "timeout" => :deadlines,
    "threads" => :threads_that_share_a_client
  }.freeze

  TOPOLOGIES.each do |topology, url|
    CAPABILITIES.each do |capability, check|
      shows capability, topology: topology
      define_method("test_#{check}: #{topology}") do
        @url = url
        @prefix = "ruby:#{SecureRandom.hex(8)}"
        bounded { send(check, another_client) }
      end
    end
  end

  # Without the server that other tests share.
  def setup
    nil
  end

  private

  def another_client(**options)
    connect(url: @url, **options)
  end

  # In slots of all nodes.
  def keys(count = 40)
    Array.new(count) { |number| "#{@prefix}:#{number}" }
  end

  def words_of_any_bytes(_)
    redis = another_client(encoding: Encoding::BINARY)
    values = keys.each_index.map { |number| (0..255).to_a.rotate(number).pack("C*") * (number + 1) }
    keys.zip(values) { |key, value| assert_equal "OK", redis.set(key, value) }
    assert_equal values, keys.map { |key| redis.get(key) }
    assert_equal values, redis.mget(keys)
    list, hash, none = keys.map { |key| "{#{key}}other" }
    assert_equal [3, ["", "\r\n", "\0"]], [redis.rpush(list, ["", "\r\n", "\0"]), redis.lrange(list, 0, -1)]
    assert_equal [1, { "a" => "1" }], [redis.hset(hash, "a", 1), redis.hgetall(hash)]
    assert_nil redis.get(none)
  end

  def a_thousand_in_flight(redis)
    # Who does not know yet where the keys are is sent on, and that changes the order.
    keys.each { |key| assert_equal 1, redis.incr(key) }
    replies = Array.new(1000) { |number| redis.later.incr(keys[number % 40]) }
    assert_equal(Array.new(1000) { |number| (number / 40) + 2 }, replies.map(&:value))
  end

  def a_pipeline_with_an_error(redis)
    wrong = nil
    answers = redis.pipelined(exception: false) do |pipeline|
      keys.each_with_index do |key, number|
        pipeline.append(key, "a")
        wrong = pipeline.lpush(key, "x") if number == 20
        pipeline.append(key, "b")
      end
    end
    assert_kind_of JustRedis::WrongTypeError, answers.delete_at(41)
    assert_raises(JustRedis::WrongTypeError) { wrong.value }
    assert_equal [1, 2] * 40, answers
    assert_equal(["ab"] * 40, redis.pipelined { |pipeline| keys.each { |key| pipeline.get(key) } })
  end

  def transactions(redis)
    keys.each do |key|
      number, list = "{#{key}}number", "{#{key}}list" # rubocop:disable Style/ParallelAssignment
      done = redis.multi do |transaction|
        transaction.set(number, 1)
        transaction.incr(number)
        transaction.rpush(list, "x")
      end
      assert_equal ["OK", 2, 1], done
      assert_raises(JustRedis::ReplyError) { redis.multi { |t| t.set(number, 9) && t.call("LPUSH", list) } }
      assert_equal "2", redis.get(number)
    end
  end

  def watched_transactions(redis)
    # In the block the client itself stands for its lease.
    shared = redis.with(timeout: 10)
    keys(8).each do |key|
      disturbed = redis.watch(key) do |lease|
        shared.set(key, 7)
        lease.multi { |transaction| transaction.set(key, 1) }
      end
      assert_nil disturbed
      undisturbed = redis.watch(key) do |lease|
        value = lease.get(key).to_i
        lease.multi { |transaction| transaction.set(key, value + 1) }
      end
      assert_equal [["OK"], "8"], [undisturbed, redis.get(key)]
    end
  end

  def blocking_commands(redis)
    waiting = keys(8).map { |key| redis.later.blpop(key) }
    others = keys.map { |key| "{#{key}}other" }
    others.each { |key| redis.set(key, key) }
    assert_equal others, redis.mget(others)
    assert waiting.none?(&:done?)
    keys(8).reverse_each { |key| redis.rpush(key, "for #{key}") }
    assert_equal(keys(8).map { |key| [key, "for #{key}"] }, waiting.map(&:value))
    assert_nil redis.blpop(keys.last, timeout: 0.01)
  end

  def channels_and_patterns(redis)
    channel = "#{@prefix}:news"
    redis.subscription(channel) do |s|
      assert_equal [:subscribe, channel, 1], s.message.then { |m| [m.kind, m.channel, m.data] }
      s.psubscribe("#{@prefix}:*").subscribe("#{channel}:more")
      assert_equal([[:psubscribe, 2], [:subscribe, 3]], Array.new(2) { s.message.then { |m| [m.kind, m.data] } })
      another_client.publish(channel, "text")
      assert_equal [:message, channel, nil, "text"], s.message.then { |m| [m.kind, m.channel, m.pattern, m.data] }
      assert_equal [:pmessage, channel, "#{@prefix}:*", "text"],
                   s.message.then { |m| [m.kind, m.channel, m.pattern, m.data] }
      s.ping("are you there")
      assert_equal [:pong, "are you there"], s.message.then { |m| [m.kind, m.data] }
      s.punsubscribe.unsubscribe(channel)
      assert_equal([[:punsubscribe, 2], [:unsubscribe, 1]], Array.new(2) { s.message.then { |m| [m.kind, m.data] } })
      redis.publish("#{channel}:more", "the end")
      assert_equal [:message, "the end"], s.message.then { |m| [m.kind, m.data] }
    end
  end

  def scripts_by_their_digests(redis)
    script = "return redis.call('INCRBY', KEYS[1], ARGV[1]) -- #{@prefix}"
    [3, 6].each { |sum| keys.each { |key| assert_equal sum, redis.eval(script, [key], [3]) } }
    # The servers know it by the digest that EVAL went out with.
    digest = Digest::SHA1.hexdigest(script)
    assert_equal 9, redis.evalsha(digest, [keys.first], [3])
    redis.call("SCRIPT", "FLUSH", route: "primaries")
    keys.drop(1).each { |key| assert_equal 9, redis.eval(script, [key], [3]) }
  end

  def cached_reads(_)
    redis = another_client(cache_bytes: "1MiB")
    cached = redis.with(cached: true)
    other = another_client
    keys(8).each do |key|
      redis.set(key, "old")
      10.times { assert_equal "old", cached.get(key) }
      other.set(key, "new")
      until_true { cached.get(key) == "new" }
    end
    assert_operator redis.statistics["cache_hits"], :>=, 9 * 8
  end

  # By a thread that is killed, one whose time is over, and one that goes on without it.
  def commands_that_are_given_up(redis)
    by_kill, by_timeout, by_cancel = keys
    thread = Thread.new { redis.blpop(by_kill) }
    until_true { waiting(redis) == 1 }
    thread.kill
    bounded { thread.join }
    until_true { waiting(redis).zero? }
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { redis.blpop(by_timeout) } }
    until_true { waiting(redis).zero? }
    reply = redis.later.blpop(by_cancel)
    until_true { waiting(redis) == 1 }
    assert reply.cancel
    assert_equal :not_run, assert_raises(JustRedis::CanceledError) { reply.value }.outcome
    [by_kill, by_timeout, by_cancel].each do |key|
      assert_equal 1, redis.rpush(key, "left alone")
      assert_equal [key, "left alone"], redis.blpop(key, timeout: 10)
    end
  end

  # How many connections have a blocking command.
  def waiting(redis)
    redis.statistics["dedicated"]["in_use"]
  end

  def deadlines(redis)
    keys(8).each do |key|
      redis.set("{#{key}}other", key)
      assert_equal :not_run, assert_raises(JustRedis::TimeoutError) { redis.with(timeout: 0.01).blpop(key) }.outcome
      assert_equal key, redis.get("{#{key}}other")
    end
    patient = redis.later.blpop(keys.last)
    assert_raises(JustRedis::TimeoutError) { redis.call("BLPOP", keys.first, 0, timeout: 0.01) }
    redis.rpush(keys.last, "x")
    assert_equal [keys.last, "x"], patient.value
  end

  def threads_that_share_a_client(redis)
    threads = Array.new(8) do |name|
      Thread.new do
        keys.each { |key| redis.incr(key) }
        keys.map { |key| redis.set("{#{key}}#{name}", name) && redis.get("{#{key}}#{name}") }.uniq
      end
    end
    assert_equal Array.new(8) { |name| [name.to_s] }, threads.map(&:value)
    assert_equal ["8"] * 40, redis.mget(keys)
  end
end
