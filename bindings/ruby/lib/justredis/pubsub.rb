# frozen_string_literal: true

class JustRedis
  # Subscriptions, and what else comes without being asked for.
  module PubSub
    # What the block of {PubSub#subscribe} says is to be done with what comes.
    class Handlers
      # @api private
      def initialize
        @blocks = {}
        yield self
      end

      # @!method message
      #   @yieldparam channel [String]
      #   @yieldparam text [String]
      # @!method pmessage
      #   @yieldparam pattern [String]
      #   @yieldparam channel [String]
      #   @yieldparam text [String]
      # @!method smessage
      #   @yieldparam channel [String]
      #   @yieldparam text [String]
      # @!method subscribe
      #   @yieldparam channel [String]
      #   @yieldparam count [Integer] of the channels and patterns that there are now
      # @!method gap
      #   The connection was lost and made again: messages may be missing. Before the confirmation that follows.
      # @!method dropped
      #   @yieldparam count [Integer] so many messages were dropped, as they were not read in time
      %i[
        message pmessage smessage subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe gap dropped
      ].each do |kind|
        define_method(kind) { |&block| @blocks[kind] = block }
      end

      # @api private
      def tell(message)
        @blocks[:gap]&.call if message.gap
        @blocks[:dropped]&.call(message.dropped) if message.dropped.positive?
        @blocks[message.kind]&.call(*[message.pattern, message.channel, message.data].compact)
      end
    end

    # @param channels [Array<String>] to begin with; more may be added
    # @param patterns [Array<String>]
    # @param shards [Array<String>] sharded channels
    # @yieldparam subscription [Subscription] which is closed behind the block
    # @return [Subscription] or what the block gives
    def subscription(*channels, patterns: [], shards: [])
      subscription = Subscription.new(@native, @options, "SUBSCRIBE", channels)
      subscription.psubscribe(*patterns) if patterns.any?
      subscription.ssubscribe(*shards) if shards.any?
      return subscription unless block_given?

      begin
        yield subscription
      ensure
        subscription.close
      end
    end

    # With a block as redis-rb: calls what it says for each message, until nothing is subscribed to any more, which
    # {#unsubscribe} brings about. Without one: a {Subscription}, to iterate over.
    #
    #     redis.subscribe("news") do |on|
    #       on.message { |channel, text| redis.unsubscribe if text == "end" }
    #     end
    #
    #     redis.subscribe("news").each { |message| break if message.data == "end" }
    #
    # @yieldparam on [Handlers]
    def subscribe(*channels, &block)
      listen(nil, :subscribe, channels, block)
    end

    # The same for patterns.
    def psubscribe(*patterns, &block)
      listen(nil, :psubscribe, patterns, block)
    end

    # The same for sharded channels.
    def ssubscribe(*channels, &block)
      listen(nil, :ssubscribe, channels, block)
    end

    # The same, but TimeoutError if nothing comes for so many seconds.
    def subscribe_with_timeout(timeout, *channels, &block)
      listen(timeout, :subscribe, channels, block)
    end

    # The same for patterns.
    def psubscribe_with_timeout(timeout, *patterns, &block)
      listen(timeout, :psubscribe, patterns, block)
    end

    # Ends subscriptions to channels of the block that runs; without any: to all.
    def unsubscribe(*channels)
      running.unsubscribe(*channels)
    end

    # The same for patterns.
    def punsubscribe(*patterns)
      running.punsubscribe(*patterns)
    end

    # The same for sharded channels.
    def sunsubscribe(*channels)
      running.sunsubscribe(*channels)
    end

    # @return [Boolean] whether the block of a {#subscribe} runs
    def subscribed?
      !@running.empty?
    end

    # What happens to connections from now on: Hashes, as `jr_client_events` of the library describes them.
    # @yieldparam event [Hash] until the block breaks
    # @return [Events] without a block
    def events(&block)
      incoming(Events.new(@native, @options), block)
    end

    # Every command that the server runs.
    # @yieldparam line [String] until the block breaks
    # @return [Monitor] without a block
    def monitor(&block)
      incoming(Monitor.new(@native, @options), block)
    end

    private

    def incoming(incoming, block)
      return incoming unless block

      begin
        incoming.each(&block)
      ensure
        incoming.close
      end
    end

    # That of this fiber, or else the only one.
    def running
      found = @running[Fiber.current] || (@running.size == 1 && @running.values.first)
      found || raise(ArgumentError, "no block of subscribe runs here")
    end

    def listen(timeout, command, names, block)
      # Within the block of another one its subscription is added to.
      return @running[Fiber.current].public_send(command, *names) if @running.key?(Fiber.current)

      subscription = Subscription.new(@native, @options, command.to_s.upcase, names)
      return subscription unless block

      @running[Fiber.current] = subscription
      begin
        dispatch(subscription, Handlers.new(&block), timeout)
      ensure
        @running.delete(Fiber.current)
        subscription.close
      end
    end

    def dispatch(subscription, handlers, timeout)
      loop do
        message = subscription.message(timeout: timeout)
        raise Native.new_error(:timeout, :unknown, "no message came in #{timeout} s") unless message

        handlers.tell(message)
        break if message.kind.end_with?("unsubscribe") && message.data.zero?
      end
    end
  end
end
