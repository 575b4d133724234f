# frozen_string_literal: true

class JustRedis
  # How commands are sent: what a client and a lease have in common.
  module Requests
    # Sends a command, and gives its answer in the server's shape.
    #
    #     redis.call("HSET", "user:1", { name: "Ann", age: 30 })
    #     redis.call("BLPOP", "jobs", 0, timeout: 2.5)
    #
    # @param words [Array] the name of the command and what follows: String, Symbol, Integer, Float, and arrays and
    #   hashes of them
    # @param options timeout (seconds), route, replica, cached, idempotent, dedicated, exception (false: an error is the
    #   value)
    # @raise [Error]
    def call(*words, **options)
      @native.call(words, @options.merge(options).native)
    end

    # The same with other options for its requests; or, without options, calls the block with itself, as a pool would.
    #
    #     redis.with(timeout: 0.5, replica: true).get("key")
    #
    # @yield [self] as a pool of connections does
    def with(**options)
      return derived(@native, @options.merge(options)) unless block_given?

      yield options.empty? ? self : derived(@native, @options.merge(options))
    end

    # What has the same methods for commands, but does not wait: each gives a {Reply}.
    #
    #     replies = keys.map { |key| redis.later.get(key) }
    #     replies.map(&:value)
    #
    # @return [Later]
    def later
      @later ||= Later.new(@native, @options)
    end

    # Sends commands in one piece, and gives their answers.
    #
    #     redis.pipelined { |p| p.set("a", 1); p.get("a") }  # => ["OK", "1"]
    #
    # @param exception [Boolean] false: errors are among the answers, instead of the first one being raised
    # @yieldparam pipeline [Batch] what has the methods for commands; each gives a {Future}
    # @return [Array]
    def pipelined(exception: @options.raises?, &block)
      Batch.gather(block).run(@native, @options, atomic: false, exception: exception)
    end

    # Runs commands as one transaction: all of them, or none if one is refused.
    #
    # @yieldparam transaction [Batch] what has the methods for commands; each gives a {Future}
    # @return [Array, nil] the answers; nil if a watched key has changed (see {JustRedis#watch})
    def multi(exception: @options.raises?, &block)
      Batch.gather(block).run(@native, @options, atomic: true, exception: exception)
    end

    # @api private
    def issue(words, transform = nil)
      answer = @native.call(words, @options.native)
      transform && !answer.is_a?(Error) ? transform.call(answer) : answer
    end
  end

  # Sends commands without waiting for their answers; see {Requests#later}.
  class Later
    include Commands

    # @api private
    def initialize(native, options)
      @native = native
      @options = options
    end

    # As {Requests#call}, but gives a {Reply}.
    # @return [Reply]
    def call(*words, **options)
      Reply.new(@native.start(words, @options.merge(options).native))
    end

    # As {Requests#pipelined}; the reply's value is an array in which errors stand in their places.
    # @return [Reply]
    def pipelined(&block)
      Batch.gather(block).start(@native, @options, atomic: false)
    end

    # As {Requests#multi}; the reply's value is an array in which errors stand in their places, or nil.
    # @return [Reply]
    def multi(&block)
      Batch.gather(block).start(@native, @options, atomic: true)
    end

    # @api private
    def issue(words, transform = nil)
      Reply.new(@native.start(words, @options.native), transform)
    end
  end
end
