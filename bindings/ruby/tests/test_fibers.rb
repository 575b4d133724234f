# frozen_string_literal: true

require_relative "helper"

# Fibers of a scheduler: a wait for an answer lets the others go on.
class FibersTest < RedisTest
  # The least that a scheduler has to be able to do.
  class Scheduler
    def initialize
      @readable = {}
      @waiting = {}
      @blocked = {}
      @ready = []
      @lock = Mutex.new
      @urgent = IO.pipe
    end

    def run
      step until @readable.empty? && @waiting.empty? && @blocked.empty? && @ready.empty?
    end
    alias close run

    def fiber(&block)
      Fiber.new(blocking: false, &block).tap(&:resume)
    end

    def io_wait(io, events, timeout)
      fiber = Fiber.current
      @readable[fiber] = io
      @waiting[fiber] = clock + timeout if timeout
      Fiber.yield ? events : false
    ensure
      @readable.delete(fiber)
      @waiting.delete(fiber)
    end

    def kernel_sleep(duration = nil)
      block(:sleep, duration)
    end

    def block(_blocker, timeout = nil)
      fiber = Fiber.current
      @blocked[fiber] = true
      @waiting[fiber] = clock + timeout if timeout
      Fiber.yield
    ensure
      @blocked.delete(fiber)
      @waiting.delete(fiber)
    end

    def unblock(_blocker, fiber)
      @lock.synchronize { @ready << fiber }
      @urgent[1].write_nonblock(".")
    end

    private

    def clock
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def step
      left = @waiting.values.min&.then { |time| [time - clock, 0].max }
      readable, = IO.select([@urgent[0], *@readable.values.uniq], nil, nil, @ready.empty? ? left : 0)
      @urgent[0].read_nonblock(1000) if readable&.include?(@urgent[0])
      resume_those_who_read(readable || [])
      @waiting.select { |_, time| time <= clock }.each_key { |fiber| fiber.resume(false) if @waiting.key?(fiber) }
      ready = @lock.synchronize { @ready.slice!(0..) }
      ready.each { |fiber| fiber.resume(true) if fiber.alive? && @blocked.key?(fiber) }
    end

    def resume_those_who_read(readable)
      waiting = @readable.select { |_, io| readable.include?(io) }
      waiting.each_key { |fiber| fiber.resume(true) if @readable.key?(fiber) }
    end
  end

  shows "threads"
  def test_fibers_share_one_connection_and_do_not_block_each_other
    redis = self.redis
    order = []
    in_fibers do
      Fiber.schedule { order << redis.blpop("queue").last }
      100.times { |number| Fiber.schedule { 20.times { order << number if redis.echo(number) != number.to_s } } }
      Fiber.schedule do
        100.times { redis.incr("n") }
        order << :counted
        redis.rpush("queue", "popped")
      end
    end
    assert_equal [:counted, "popped"], order
    assert_equal "100", redis.get("n")
    assert_equal 1, (redis.statistics["links"].count { |link| link["purpose"] == "commands" })
  end

  def test_whoever_leads_hands_over
    redis = self.redis
    seen = []
    in_fibers do
      %w[first second third].each { |name| Fiber.schedule { seen << redis.blpop(name).last } }
      Fiber.schedule { %w[first third second].each { |name| redis.rpush(name, name) } }
    end
    assert_equal %w[first second third], seen.sort
  end

  def test_replies_pipelines_and_transactions
    redis = self.redis
    in_fibers do
      Fiber.schedule do
        replies = Array.new(10) { redis.later.incr("n") }
        assert_equal (1..10).to_a, replies.map(&:value)
        refute redis.later.blpop("none").wait(0.01)
        assert_equal([11, "11"], redis.pipelined { |p| p.incr("n") && p.get("n") })
        assert_equal([12], redis.multi { |t| t.incr("n") })
        assert_raises(JustRedis::ReplyError) { redis.llen("n") }
        assert_raises(JustRedis::TimeoutError) { redis.call("BLPOP", "none", 0, timeout: 0.01) }
        assert_equal(["OK"], redis.watch("n") { |w| w.multi { |t| t.set("n", 1) } })
      end
    end
  end

  def test_fibers_that_wait_for_the_same_reply
    redis = self.redis
    seen = []
    in_fibers do
      Fiber.schedule { redis.blpop("last") && (seen << :last) }
      reply = redis.later.blpop("queue")
      3.times { Fiber.schedule { seen << reply.value.last } }
      Fiber.schedule { redis.rpush("queue", "x") }
      Fiber.schedule do
        kernel_pause until seen.size == 3
        redis.rpush("last", "x")
      end
    end
    assert_equal ["x", "x", "x", :last], seen
  end

  def test_subscriptions
    redis = self.redis
    seen = []
    in_fibers do
      Fiber.schedule { redis.subscribe("a") { |on| on.message { |_, text| (seen << text) && redis.unsubscribe } } }
      subscription = redis.subscription("b")
      Fiber.schedule { subscription.each { |message| seen << message.data } }
      Fiber.schedule do
        redis.publish("b", "b")
        redis.publish("a", "a")
        kernel_pause until seen.size == 2
        subscription.close
      end
    end
    assert_equal %w[a b], seen.sort
  end

  def test_threads_with_schedulers_beside_threads_without
    redis = self.redis
    threads = Array.new(3) { Thread.new { in_fibers { 10.times { Fiber.schedule { 20.times { redis.incr("n") } } } } } }
    threads += Array.new(3) { Thread.new { 200.times { redis.incr("n") } } }
    threads.each { |thread| bounded { thread.join } }
    assert_equal "1200", redis.get("n")
  end

  def test_a_reply_of_a_fiber_is_awaited_by_another_thread
    redis = self.redis
    replies = Queue.new
    thread = Thread.new { replies.pop.value.last }
    in_fibers do
      Fiber.schedule do
        replies << redis.later.blpop("theirs")
        redis.rpush("theirs", "x")
        100.times { redis.ping }
      end
    end
    assert_equal "x", bounded { thread.value }
  end

  def test_closing_in_a_fiber
    redis = self.redis
    ended = nil
    in_fibers do
      Fiber.schedule { ended = assert_raises(JustRedis::Error) { redis.blpop("queue") } }
      Fiber.schedule do
        redis.ping
        redis.close
      end
    end
    assert_equal :closed, ended.status
  end

  # The scheduler that Debian has.
  def test_async
    program = <<~'RUBY'
      require "async"
      require "justredis"
      redis = JustRedis.new(url: ARGV.first)
      Async do |task|
        tasks = Array.new(50) { |number| task.async { Array.new(20) { redis.echo(number) }.uniq } }
        p tasks.map(&:wait) == Array.new(50) { |number| [number.to_s] }
        begin
          task.with_timeout(0.05) { redis.blpop("async") }
        rescue JustRedis::TimeoutError, Async::TimeoutError
          p :timeout
        end
        stopped = task.async { redis.blpop("async") }
        task.sleep(0.01) until redis.info(:clients)["blocked_clients"] == "1"
        stopped.stop
        task.sleep(0.01) until redis.info(:clients)["blocked_clients"] == "0"
        waiting = task.async { redis.blpop("async") }
        redis.rpush("async", "x")
        p waiting.wait
        redis.close
      end
    RUBY
    output, errors, status = bounded { run_ruby(program, server.url) }
    assert status.success?, errors
    assert_equal "true\n:timeout\n[\"async\", \"x\"]\n", output
  end

  private

  # Runs the block and what it schedules in a thread with a scheduler.
  def in_fibers(&block)
    thread = Thread.new do
      Thread.current.report_on_exception = false
      Fiber.set_scheduler(Scheduler.new)
      Fiber.schedule(&block)
    end
    bounded { thread.join }
  end

  def kernel_pause
    sleep 0.001
  end
end
