# frozen_string_literal: true

require_relative "helper"

# Threads, signals, child processes, and interpreters that end.
class ThreadsTest < RedisTest
  shows "threads"
  def test_threads_share_one_client
    redis = self.redis
    wrong = Queue.new
    threads = Array.new(8) do |name|
      Thread.new do
        300.times { |number| redis.echo("#{name}:#{number}") == "#{name}:#{number}" || (wrong << [name, number]) }
        redis.incrby("n", 300)
      end
    end
    threads.each(&:join)
    assert_empty wrong
    assert_equal "2400", redis.get("n")
    assert_equal 1, redis.statistics["links"].size
  end

  shows "threads"
  def test_a_reply_is_awaited_by_another_thread
    redis = self.redis
    50.times do |round|
      mine = redis.later.blpop("mine:#{round}")
      other = redis.later.blpop("other:#{round}")
      thread = Thread.new { other.value.last }
      pusher = Thread.new { %w[other mine].each { |who| redis.rpush("#{who}:#{round}", who) } }
      assert_equal "mine", mine.value.last
      assert_equal "other", bounded { thread.value }
      pusher.join
    end
  end

  shows "cancel"
  def test_a_thread_that_is_killed_gives_its_command_up
    redis = self.redis
    10.times do
      thread = Thread.new { redis.blpop("queue") }
      until_blocked(1)
      thread.kill
      bounded { thread.join }
      until_blocked(0)
    end
    assert_equal 1, redis.rpush("queue", "a")
    assert_equal %w[queue a], redis.blpop("queue")
  end

  shows "cancel"
  def test_timeout_ends_a_command
    redis = self.redis
    10.times do
      assert_raises(Timeout::Error) { Timeout.timeout(0.02) { redis.blpop("queue") } }
      until_blocked(0)
    end
    assert_raises(Timeout::Error) { Timeout.timeout(0.02) { redis.subscription("a") { |s| loop { s.message } } } }
    assert_equal "PONG", redis.ping
  end

  def test_a_thread_that_may_not_be_interrupted_gets_its_answer
    redis = self.redis
    popped = nil
    thread = Thread.new do
      Thread.handle_interrupt(Object => :never) { popped = redis.blpop("queue") }
    end
    until_blocked(1)
    thread.kill
    thread.wakeup
    redis.rpush("queue", "a")
    bounded { thread.join }
    assert_equal %w[queue a], popped
  end

  shows "signals"
  def test_a_signal_ends_a_blocking_command
    redis = self.redis
    redis.ping
    took = []
    old = trap("USR1") { raise Interrupt, "it came" }
    10.times do
      sender = Thread.new do
        until_blocked(1)
        took << Servers.now
        Process.kill(:USR1, Process.pid)
      end
      assert_raises(Interrupt) { redis.blpop("queue") }
      took[-1] = Servers.now - took[-1]
      sender.join
      until_blocked(0)
    end
    # The machine may be busy; without the signal it would wait for ever.
    assert_operator took.min, :<, 0.1
  ensure
    trap("USR1", old || "DEFAULT")
  end

  shows "signals"
  def test_ctrl_c_ends_a_program
    program = <<~RUBY
      require "justredis"
      redis = JustRedis.new(url: ARGV.first)
      redis.ping
      $stdout.sync = true
      puts "ready"
      begin
        redis.blpop("never")
      rescue Interrupt
        puts "interrupted"
      end
    RUBY
    Open3.popen2(RbConfig.ruby, "-e", program, server.url) do |_, output, process|
      assert_equal "ready\n", output.gets
      until_blocked(1)
      Process.kill(:INT, process.pid)
      bounded { assert_equal ["interrupted\n", 0], [output.read, process.value.exitstatus] }
    end
  end

  def test_commands_in_a_trap
    redis = self.redis
    old = trap("USR2") { redis.incr("n") }
    Process.kill(:USR2, Process.pid)
    until_true { redis.get("n") == "1" }
  ensure
    trap("USR2", old || "DEFAULT")
  end

  shows "fork"
  def test_children_work_and_leave_the_parent_alone
    redis = self.redis
    view = redis.database(3)
    view.ping
    pending = redis.later.blpop("parent")
    subscription = redis.subscription("a")
    identity = redis.client(:id)
    5.times do
      assert in_child {
        redis.incr("n").positive? && redis.later.incr("n").value.positive? && redis.multi { |t| t.incr("n") } &&
          view.ping == "PONG" && redis.client(:id) != identity && raises_forked { pending.value } &&
          raises_forked { 2.times { subscription.message(timeout: 1) } }
      }
    end
    assert_equal "15", redis.get("n")
    assert_equal identity, redis.client(:id)
    redis.rpush("parent", "x")
    assert_equal "x", pending.value.last
    subscription.close
  end

  shows "fork"
  def test_a_server_that_forks_its_workers
    redis = self.redis(dialer: ->(_, _) { Socket.tcp("127.0.0.1", server.port) })
    redis.set("n", 0)
    workers = Array.new(4) do
      fork do
        threads = Array.new(4) { Thread.new { 50.times { redis.incr("n") } } }
        threads.each(&:join)
        redis.close
        exit!(true)
      end
    end
    workers.each { |worker| assert Process.wait2(worker).last.success? }
    assert_equal "800", redis.get("n")
  end

  def test_a_child_of_a_thread_while_others_wait
    redis = self.redis
    waiting = Array.new(4) { |number| Thread.new { redis.blpop("queue:#{number}") } }
    until_blocked(4)
    4.times { assert Thread.new { in_child { redis.ping == "PONG" } }.value }
    4.times { |number| redis.rpush("queue:#{number}", number) }
    assert_equal %w[0 1 2 3], waiting.map { |thread| thread.value.last }
  end

  ENDING = <<~'RUBY'
    require "justredis"
    require "socket"
    Thread.report_on_exception = false
    port = ARGV.first.to_i
    options = rand < 0.5 ? { dialer: ->(_, _) { Socket.tcp("127.0.0.1", port) } } : { port: port }
    redis = JustRedis.new(**options)
    at_exit { redis.with(exception: false).set("key", "the end") rescue JustRedis::ClosedError } if rand < 0.5
    3.times do
      Thread.new do
        loop do
          redis.set("key", "value")
          redis.later.get("key")
          redis.later.client(:kill, "ID", redis.client(:id)) if rand < 0.01
        end
      rescue JustRedis::Error
        retry
      end
    end
    Thread.new { redis.subscribe("channel") { |on| on.message { |_, _| nil } } }
    redis.publish("channel", "x")
    redis.later.blpop("nothing")
    Thread.new { redis.blpop("nothing") }
    sleep(rand * 0.05)
    case rand(4)
    when 0 then exit!(0)
    when 1 then redis.close(timeout: 0.01)
    end
  RUBY

  # JR_INTERPRETERS says how many; a hundred are the full measure.
  def test_interpreters_end_under_load
    Integer(ENV.fetch("JR_INTERPRETERS", "20")).times do
      output, errors, status = run_ruby(ENDING, server.port)
      assert status.success? && output.empty? && errors.empty?, "#{status}: #{errors}"
    end
  end

  def test_a_subscription_is_closed_by_another_thread
    redis = self.redis
    20.times do
      subscription = redis.subscription("a")
      thread = Thread.new { subscription.map(&:data) }
      redis.publish("a", "x")
      subscription.close
      assert_includes [[], ["x"]], bounded { thread.value }
    end
  end

  def test_the_types_of_the_extension_are_not_made_by_hand
    native = JustRedis::Native
    [native::Sink, native::Stream].each { |type| assert_raises(NoMethodError) { type.new } }
    constants = [native::Queue, native::Client, native::Options, native::Desk, native::Sink]
    constants.each { |type| assert_raises(TypeError) { type.allocate } }
    assert_raises(TypeError) { native::Client.new([], nil).call(["PING"], Object.new) }
    assert_raises(TypeError) { native::Client.new("wrong", nil) }
  end

  # Memory does not grow with what was done: objects, replies that raise, what was given up.
  def test_nothing_leaks
    redis = self.redis
    redis.set("text", "x" * 10_000)
    work = lambda do |count|
      count.times do
        redis.get("text")
        redis.call("INCR", "text", exception: false)
        redis.pipelined(exception: false) { |p| p.get("text") && p.incr("text") }
        redis.later.get("text")
        redis.database(1)
        assert_raises(TypeError) { redis.call("SET", "text", nil) }
      end
      GC.start
    end
    work.call(2000)
    before = resident
    work.call(Integer(ENV.fetch("JR_OPERATIONS", "6000")))
    assert_operator resident - before, :<, 20_000, "KiB more in memory"
  end

  def test_garbage_is_collected_at_any_moment
    redis = self.redis
    redis.rpush("list", %w[a b c])
    redis.hset("hash", "a", 1)
    GC.stress = true
    assert_equal %w[a b c], redis.lrange("list", 0, -1)
    assert_equal({ "a" => "1" }, redis.hgetall("hash"))
    assert_equal [%w[a b c], 3], redis.pipelined { |p| p.lrange(:list, 0, -1) && p.llen("list") }
    assert_equal 3, redis.later.llen("list").value
    assert_kind_of JustRedis::ReplyError, redis.call("INCR", "list", exception: false)
  ensure
    GC.stress = false
  end

  private

  def in_child
    process = fork do
      succeeded = false
      begin
        succeeded = yield
      rescue Exception => e # rubocop:disable Lint/RescueException
        warn e.full_message
      ensure
        exit!(succeeded ? true : false)
      end
    end
    Process.wait2(process).last.success?
  end

  def raises_forked
    yield
    false
  rescue JustRedis::ForkedError
    true
  end

  def resident
    File.read("/proc/self/status")[/VmRSS:\s*(\d+)/, 1].to_i
  end
end
