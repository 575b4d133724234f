# frozen_string_literal: true

require_relative "helper"

# What comes without being asked for: messages of subscriptions, events, lines of MONITOR.
class MessagesTest < RedisTest
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
end
