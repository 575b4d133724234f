# frozen_string_literal: true

# Everything on one client: commands, a transaction, a blocking command, a subscription, a watched counter.
require "justredis"

JustRedis.open(url: ENV.fetch("JR_URL", nil)) do |redis|
  # A SET whose answer nobody wants, and a GET behind it on the same connection.
  redis.later.set("jr:example:Hello", "World!")
  puts "Hello, #{redis.get("jr:example:Hello")}"

  # Both together, or neither.
  hello = nil
  redis.multi do |transaction|
    transaction.set("jr:example:Hello", "World!")
    hello = transaction.get("jr:example:Hello")
  end
  puts "Atomic Hello, #{hello.value}"

  # Waits at the server, on a connection of its own, while the shared one goes on.
  waiting = Thread.new { redis.blpop("jr:example:queue") }
  redis.rpush("jr:example:queue", "Hello, World!")
  puts "Queued #{waiting.value.last}"

  # A subscription, as an enumerator; redis.subscribe with a block is as in redis-rb.
  redis.subscription("jr:example:Hello") do |subscription|
    redis.publish("jr:example:Hello", "World!")
    puts "PubSub Hello, #{subscription.each.first.data}"
  end

  # Reads a counter and writes it back, unless somebody else changed it meanwhile.
  done = redis.watch("jr:example:Counter") do |watch|
    value = watch.get("jr:example:Counter").to_i
    watch.multi { |transaction| transaction.set("jr:example:Counter", value + 1) }
  end
  puts "somebody else was faster" unless done
end
