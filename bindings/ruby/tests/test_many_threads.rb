# frozen_string_literal: true

require_relative "helper"

# So many threads that call one right after the other: their requests go out together, and each of them may be the one
# that takes the answers of all.
class ManyThreadsTest < RedisTest
  def test_each_gets_its_own_answers
    redis = self.redis
    seen = in_threads(16) do |name|
      Array.new(500) { |number| redis.set("key:#{name}", "#{name}:#{number}") && redis.get("key:#{name}") }
    end
    assert_equal(Array.new(16) { |name| Array.new(500) { |number| "#{name}:#{number}" } }, seen)
    lengths = in_threads(16) { |name| redis.pipelined { |p| 50.times { p.strlen("key:#{name}") } }.uniq }
    assert_equal(Array.new(16) { |name| ["#{name}:499".size] }, lengths)
  end

  # Whoever was answered is expected to call again: those who wait go on without it.
  def test_who_does_something_else_holds_nobody_up
    redis = self.redis
    gates = Array.new(16) { Queue.new }
    threads = gates.map do |gate|
      Thread.new do
        100.times do
          10.times { redis.incr("n") }
          sleep 0.001 if rand < 0.1
        end
        gate.pop
        redis.incr("n")
      end
    end
    # Each leaves the others, while the rest still calls.
    until_true { gates.all? { |gate| gate.num_waiting == 1 } }
    gates.each { |gate| gate << :go }
    bounded { threads.each(&:join) }
    assert_equal "16016", redis.get("n")
  end

  def test_blocking_commands_and_slow_ones_among_them
    redis = self.redis
    waiting = nil
    done = in_threads(12) do |name|
      waiting = Array.new(4) { |number| Thread.new { redis.blpop("queue:#{number}") } } if name.zero?
      300.times { redis.incr("n") }
      redis.call("BLPOP", "nothing:#{name}", 0.01)
    end
    assert_equal [nil] * 12, done
    until_blocked(4)
    4.times { |number| redis.rpush("queue:#{number}", number) }
    assert_equal(%w[0 1 2 3], bounded { waiting.map { |thread| thread.value.last } })
  end

  def test_threads_that_are_killed_and_times_that_are_over
    redis = self.redis
    redis.set("text", "a")
    ended = false
    others = Array.new(8) { Thread.new { redis.echo("a") == "a" || raise("not mine") until ended } }
    60.times do |round|
      thread = Thread.new { loop { redis.incr("n") } }
      sleep 0.002 * rand
      thread.kill
      bounded { thread.join }
      assert_raises(Timeout::Error) { Timeout.timeout(0.003) { loop { redis.get("text") } } }
      assert_raises(JustRedis::ReplyError) { redis.incr("text") }
      assert_raises(JustRedis::TimeoutError) { redis.call("BLPOP", "nothing", 0, timeout: 0.005) } if (round % 10).zero?
    end
    ended = true
    bounded { others.each(&:join) }
    assert_equal "a", redis.get("text")
  end

  # The thread that takes for all may be the one that runs the handler.
  def test_a_signal_handler_that_takes_its_time
    redis = self.redis
    seen = Queue.new
    old = trap("USR2") { sleep(0.02) && (seen << redis.incr("signals")) }
    ended = false
    others = Array.new(8) { Thread.new { redis.incr("n") until ended } }
    sender = Thread.new do
      10.times { Process.kill(:USR2, Process.pid) && seen.pop }
      ended = true
    end
    bounded { redis.incr("n") until ended }
    bounded { [*others, sender].each(&:join) }
    assert_equal "10", redis.get("signals")
  ensure
    trap("USR2", old || "DEFAULT")
  end

  def test_children_of_a_program_whose_threads_call
    redis = self.redis
    ended = false
    others = Array.new(8) { Thread.new { redis.incr("n") until ended } }
    4.times do
      child = fork do
        threads = Array.new(8) { Thread.new { 200.times { redis.incr("children") } } }
        threads.each(&:join)
        exit!(redis.close)
      end
      assert bounded { Process.wait2(child).last.success? }
    end
    ended = true
    bounded { others.each(&:join) }
    assert_equal "6400", redis.get("children")
  end

  def test_closing_while_they_call
    5.times do
      redis = connect(url: server.url)
      threads = Array.new(8) { Thread.new { assert_raises(JustRedis::Error) { loop { redis.get("key") } }.status } }
      until_true { redis.connected? }
      sleep 0.02
      redis.close
      assert_equal [:closed], bounded { threads.map(&:value).uniq }
    end
  end

  private

  def in_threads(count, &block)
    bounded { Array.new(count) { |name| Thread.new { block.call(name) } }.map(&:value) }
  end
end
