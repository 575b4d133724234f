# frozen_string_literal: true

# Sets a key, gets it again, and prints whatever goes wrong.
require "justredis"

begin
  redis = JustRedis.new(url: ENV.fetch("JR_URL", nil))
  puts "SET: #{redis.set("greeting", "Hello, World!")}"
  puts "GET: #{redis.get("greeting")}"
rescue JustRedis::Error => e
  abort "#{e.class}: #{e.message}"
end
