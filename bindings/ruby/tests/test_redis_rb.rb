# frozen_string_literal: true

require "redis"
require_relative "helper"

Redis.sadd_returns_boolean = false # as its version 5
Redis.silence_deprecations = true

# The names, arguments and answers of redis-rb: the same calls on both, on servers of their own.
class RedisRbTest < RedisTest
  # Called in this order on empty servers. What a call gives is compared, errors by their text.
  CALLS = {
    strings: [
      [:set, "a", "1"], [:set, "a", 2, { ex: 100 }], [:set, "a", 3, { nx: true }], [:set, "b", :x, { nx: true }],
      [:set, "a", "4", { get: true }], [:set, "c", nil], [:set, "a", 5, { px: 10_000, xx: true }],
      [:set, "a", 5, { keepttl: true }], [:get, "a"], %i[get a], [:get, "none"], [:getset, "a", 6],
      [:getex, "a", { ex: 10 }],
      [:getdel, "c"], [:incr, "n"], [:incrby, "n", 5], [:decr, "n"], [:decrby, "n", 2], [:incrbyfloat, "f", 1.5],
      [:append, "a", "x"], [:strlen, "a"], [:setrange, "a", 1, "yz"], [:getrange, "a", 0, 1], [:setex, "e", 10, 1],
      [:psetex, "e", 10_000, 1], [:setnx, "e", 1], [:setnx, "s", 1], [:mset, "m1", 1, "m2", 2], [:mget, "m1", "none"],
      [:mget, %w[m1 m2]], [:mapped_mget, "m1", "none"], [:mapped_mset, { "m3" => 3 }], [:msetnx, "m3", 1, "m4", 1],
      [:mapped_msetnx, { "m5" => 1 }], [:setbit, "bits", 7, 1], [:getbit, "bits", 7], [:bitcount, "bits"],
      [:bitcount, "bits", 0, 0], [:bitpos, "bits", 1], [:bitop, "NOT", "bits2", "bits"], [:pfadd, "hll", "a"],
      [:pfadd, "hll", %w[a b]], [:pfcount, "hll"], [:pfmerge, "hll2", "hll"], [:incr, "m1"], [:incr, "b"]
    ],
    keys: [
      [:set, "a", 1], [:exists, "a", "none"], [:exists?, "a"], [:exists?, "none"], [:expire, "a", 100],
      [:expire, "none", 100], [:ttl, "none"], [:pexpire, "a", 100_000], [:expireat, "a", 4_000_000_000],
      [:pexpireat, "a", 4_000_000_000_000], [:expire, "a", 100, { gt: true }], [:persist, "a"], [:persist, "a"],
      [:type, "a"], [:rename, "a", "b"], [:renamenx, "b", "a"], [:keys], [:keys, "n*"], [:copy, "a", "b"],
      [:copy, "a", "b", { replace: true }], [:move, "b", 1], [:dump, "none"], [:object, :encoding, "a"],
      [:del, "a", "none"], [:del, []], [:unlink, "a"], [:rpush, "list", %w[3 1 2]], [:sort, "list"],
      [:sort, "list", { order: "DESC", limit: [0, 2] }], [:sort, "list", { get: ["#", "x*"] }],
      [:sort, "list", { store: "sorted" }], [:scan, 0, { match: "s*", count: 100 }], [:dbsize]
    ],
    hashes: [
      [:hset, "h", "a", 1], [:hset, "h", { "b" => 2, "c" => 3 }], [:hget, "h", "a"], [:hget, "h", "none"],
      [:hgetall, "h"], [:hgetall, "none"], [:hmget, "h", "a", "none"], [:mapped_hmget, "h", "a", "none"],
      [:hmset, "h", "d", 4], [:mapped_hmset, "h", { "e" => 5 }], [:hlen, "h"], [:hkeys, "h"], [:hvals, "h"],
      [:hexists, "h", "a"], [:hexists, "h", "none"], [:hsetnx, "h", "a", 1], [:hincrby, "h", "a", 2],
      [:hincrbyfloat, "h", "a", 0.5], [:hdel, "h", "a", "none"], [:hdel, "h", %w[b c d]],
      [:hrandfield, "none"], [:hscan, "h", 0],
      [:hscan, "none", 0, { match: "*", count: 10 }]
    ],
    lists: [
      [:lpush, "l", "a"], [:rpush, "l", %w[b c d]], [:lpushx, "none", 1], [:rpushx, "l", "e"], [:llen, "l"],
      [:lrange, "l", 0, -1], [:lindex, "l", 1], [:linsert, "l", :before, "b", "x"], [:lset, "l", 0, "y"],
      [:lrem, "l", 0, "x"], [:ltrim, "l", 0, 3], [:lpop, "l"], [:rpop, "l", 2], [:lpop, "none"], [:rpoplpush, "l", "m"],
      [:lmove, "m", "l", "LEFT", "RIGHT"], [:blpop, "l", { timeout: 1 }], [:blpop, "none", { timeout: 0.01 }],
      [:rpush, "l", "z"], [:brpop, %w[none l], { timeout: 1 }], [:rpush, "l", "z"],
      [:brpoplpush, "l", "m", { timeout: 1 }], [:blmove, "m", "l", "LEFT", "LEFT", { timeout: 1 }],
      [:lmove, "m", "l", "UP", "RIGHT"]
    ],
    sets: [
      [:sadd, "s", "a"], [:sadd, "s", %w[a b c]], [:sadd?, "s", "a"], [:sadd?, "s", "d"], [:srem, "s", "d"],
      [:srem?, "s", "d"], [:scard, "s"], [:sismember, "s", "a"], [:smismember, "s", "a", "none"],
      [:smove, "s", "t", "a"], [:smove, "s", "t", "none"], [:smembers, "t"], [:smembers, "none"], [:spop, "t"],
      [:spop, "none"], [:spop, "none", 2], [:srandmember, "none"], [:sinter, "s", "none"], [:sdiffstore, "u", "s", "t"],
      [:sinterstore, "u", "s", "t"], [:sunionstore, "u", "s", "t"], [:sscan, "none", 0]
    ],
    sorted_sets: [
      [:zadd, "z", 1, "a"], [:zadd, "z", [[2, "b"], [3.5, "c"]]], [:zadd, "z", 1, "a"], [:zadd, "z", []],
      [:zadd, "z", 1, "a", { incr: true }], [:zadd, "z", 9, "a", { nx: true, incr: true }],
      [:zadd, "z", [[9, "b"]], { xx: true, ch: true }], [:zadd, "z", "-inf", "i"], [:zcard, "z"], [:zscore, "z", "c"],
      [:zscore, "z", "i"], [:zscore, "z", "none"], [:zmscore, "z", "a", "none"], [:zincrby, "z", 0.5, "a"],
      [:zrank, "z", "a"], [:zrevrank, "z", "none"], [:zrange, "z", 0, -1], [:zrange, "z", 0, -1, { with_scores: true }],
      [:zrange, "z", 0, 5, { by_score: true, limit: [0, 1] }], [:zrange, "none", 0, -1, { with_scores: true }],
      [:zrevrange, "z", 0, 1, { withscores: true }], [:zrangebyscore, "z", 0, 3, { with_scores: true }],
      [:zrangebyscore, "z", "-inf", "+inf", { limit: [1, 1] }], [:zrevrangebyscore, "z", 9, 0, { with_scores: true }],
      [:zrangebylex, "z", "-", "+", { limit: [0, 2] }], [:zrevrangebylex, "z", "+", "-"], [:zlexcount, "z", "-", "+"],
      [:zcount, "z", 0, 3], [:zrangestore, "y", "z", 0, 1], [:zrem, "z", "i"], [:zrem, "z", %w[none i]],
      [:zunion, "y", "z", { with_scores: true }], [:zinter, "y", "z", { weights: [2, 1], aggregate: "MAX" }],
      [:zdiff, "z", "y", { with_scores: true }], [:zunionstore, "x", %w[y z]],
      [:zinterstore, "x", %w[y z], { weights: [1, 2] }],
      [:zdiffstore, "x", %w[z y]], [:zrandmember, "none"], [:zscan, "z", 0],
      [:zpopmin, "z"], [:zpopmax, "z", 2], [:zpopmin, "none"], [:zpopmax, "none", 2], [:zadd, "z", 1, "a"],
      [:bzpopmin, "z", { timeout: 1 }], [:bzpopmax, "none", { timeout: 0.01 }], [:zremrangebyrank, "x", 0, 0],
      [:zremrangebyscore, "x", 0, 9]
    ],
    streams: [
      [:xadd, "x", { "f" => 1 }, { id: "1-1" }],
      [:xadd, "x", { "f" => 2 }, { id: "2-1", maxlen: 10, approximate: true }],
      [:xlen, "x"], [:xrange, "x"], [:xrange, "x", "-", "+", { count: 1 }], [:xrevrange, "x"], [:xread, "x", "0"],
      [:xread, %w[x none], %w[1-1 0], { count: 1 }], [:xread, "none", "0"], [:xgroup, :create, "x", "g", "0"],
      [:xreadgroup, "g", "me", "x", ">", { count: 1 }], [:xpending, "x", "g"], [:xack, "x", "g", "9-9"],
      [:xclaim, "x", "g", "you", 0, "1-1"], [:xclaim, "x", "g", "you", 0, "1-1", { justid: true }],
      [:xautoclaim, "x", "g", "me", 0, "0-0", { count: 5 }], [:xautoclaim, "x", "g", "me", 0, "0-0", { justid: true }],
      [:xack, "x", "g", "1-1"], [:xpending, "x", "g", "-", "+", 5], [:xpending, "x", "g"], [:xdel, "x", "1-1"],
      [:xtrim, "x", 0]
    ],
    rest: [
      [:ping], [:ping, "x"], [:echo, "x"], [:eval, "return {KEYS[1], ARGV[1]}", ["k"], ["a"]],
      [:eval, "return 1", { keys: [], argv: [] }], [:script, :load, "return 1"],
      [:script, :exists, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"], [:script, :exists, ["0" * 40]],
      [:evalsha, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"], [:evalsha, "0" * 40], %i[script flush],
      [:publish, "c", "m"],
      [:geoadd, "g", 13.361389, 38.115556, "p", 15.087269, 37.502669, "q"], [:geodist, "g", "p", "q"],
      [:geodist, "g", "p", "q", "km"], [:geohash, "g", %w[p q]], [:georadius, "g", 15, 37, 200, "km", { sort: "ASC" }],
      [:georadiusbymember, "g", "p", 200, "km", { count: 1, sort: "ASC" }], [:config, :get, "maxmemory-policy"],
      [:config, :set, "maxmemory-policy", "noeviction"], %i[config resetstat], %i[client getname],
      %i[slowlog len], %i[pubsub channels], [:flushdb], [:call, "GET", "none"], [:flushall, { async: true }]
    ]
  }.freeze
  # Deliberately not the same: see the README.
  DIFFERENT = %i[_exists asking auth discard exec sync].freeze
  # Those that take a Hash as an argument.
  WITH_HASH = %i[hset mapped_hmset mapped_mset mapped_msetnx].freeze

  CALLS.each do |kind, calls|
    define_method("test_#{kind}") do
      both = [Redis.new(url: own_server.url), redis]
      calls.each do |name, *arguments|
        options = arguments.last.is_a?(Hash) && !WITH_HASH.include?(name) ? arguments.pop : {}
        options = arguments.push(options) && {} unless options.keys.all?(Symbol)
        expected, given = both.map { |one| attempt { one.public_send(name, *arguments.map(&:dup), **options) } }
        assert_equal [expected], [given], "#{name} #{arguments.inspect} #{options}"
      end
    end
  end

  def test_what_chance_decides
    both = [redis, Redis.new(url: own_server.url)]
    shapes = both.map do |one|
      one.config(:resetstat)
      one.sadd("s", %w[a b c])
      one.xadd("x", { "f" => 1 })
      one.xgroup(:create, "x", "g", "0")
      [one.smembers("s").sort, one.sunion("s").sort, one.sdiff("s").sort, one.spop("s", 3).sort, one.info.class,
       one.info(:server)["tcp_port"].class, one.info(:commandstats)["sadd"]["calls"], one.time.map(&:class),
       one.client(:list).first["id"].class, one.xinfo(:stream, "x")["length"], one.xinfo(:groups, "x").first["name"],
       one.scan_each(match: "*").to_a.sort, one.sscan_each("s").to_a, one.hscan_each("h").to_a,
       one.hset("h", "f", 1), one.hrandfield("h", 1, with_values: true), one.hrandfield("h"), one.lastsave.class,
       one.zadd("z", 1, "m"), one.zrandmember("z", 1, with_scores: true), one.slowlog(:get).class]
    end
    assert_equal shapes[1], shapes[0]
  end

  def test_all_methods_for_commands_are_there
    names = Redis::Commands.public_instance_methods - DIFFERENT
    assert_equal [], names - JustRedis.public_instance_methods
  end

  def test_pipelines_and_transactions
    both = [redis, Redis.new(url: own_server.url)]
    given = both.map do |one|
      future = nil
      [
        one.pipelined do |p|
          p.set("a", 1) && p.hgetall("h") && p.exists?("a") && p.zscore("z", "m") && future = p.incr("a")
        end,
        future.value,
        one.multi { |t| t.setnx("a", 1) && t.hset("h", "f", 1) && t.hgetall("h") },
        attempt { one.pipelined { |p| p.incr("a") && p.llen("a") } },
        attempt { one.multi { |t| t.incr("a") && t.llen("a") } },
        one.get("a"),
        one.watch("a") { one.get("a") },
        one.watch("a") { |w| w.multi { |t| t.incr("a") } }
      ]
    end
    assert_equal given[1], given[0]
  end

  private

  def attempt
    yield
  rescue JustRedis::ReplyError, Redis::CommandError => e
    [:error, e.message]
  rescue ArgumentError => e
    e.class
  end
end

# The same under redis-rb's own name, in an interpreter of its own.
class RedisNameTest < RedisTest
  def test_redis_new
    program = <<~'RUBY'
      require "justredis/redis"
      redis = Redis.new(url: ARGV.first)
      p redis.set("a", "1"), Redis.new(host: "127.0.0.1", port: ARGV.first[/\d+$/].to_i, db: 0, timeout: 5).get("a")
      p Redis.new.get("a")
      begin
        redis.llen("a")
      rescue Redis::CommandError => e
        p e.message
      end
      begin
        Redis.new(port: 1).ping
      rescue Redis::CannotConnectError => e
        p e.is_a?(Redis::BaseConnectionError), e.is_a?(Redis::BaseError)
      end
      begin
        redis.with(timeout: 0.01).blpop("none")
      rescue Redis::TimeoutError => e
        p e.is_a?(Redis::BaseConnectionError)
      end
    RUBY
    redis
    output, errors, = run_ruby(program, server.url, environment: { "REDIS_URL" => server.url })
    expected = ["OK", "1", "1", "WRONGTYPE Operation against a key holding the wrong kind of value", true, true, true]
    assert_equal [expected.map(&:inspect), ""], [output.lines(chomp: true), errors]
    _, errors, status = run_ruby('class Redis; end; require "justredis/redis"')
    refute status.success?
    assert_match(/there is a class Redis already/, errors)
  end
end
