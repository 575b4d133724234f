# frozen_string_literal: true

class JustRedis
  # What comes without being asked for, one after the other: messages, events, lines of MONITOR. Any thread or fiber may
  # read it, and close it.
  # @api private
  class Incoming
    include Enumerable

    def initialize(native, options)
      @native = native
      @options = options
      @queue = Native::Queue.new
      @closed = false
      @kept = []
    end

    # @return [Boolean]
    def closed?
      @closed
    end

    # Ends it, also for a thread that waits for what comes.
    def close
      return if @closed

      @closed = true
      @stream&.cancel
      @queue.wake
      nil
    end

    private

    def start(words)
      raise Native.new_error(:closed, :not_run, "it is closed") if @closed

      @stream = @native.stream(@queue, words, @options.for_messages)
    end

    # @return [Array, nil] value, gap, dropped; nil when the time is over
    def take(timeout)
      ends = timeout && (Process.clock_gettime(Process::CLOCK_MONOTONIC) + timeout)
      loop do
        raise Native.new_error(:closed, :not_run, "it is closed") if @closed

        taken = @kept.shift || @stream.shift
        return taken if taken
        raise @stream.error || Native.new_error(:closed, :not_run, "it has ended") if @stream.done?

        left = ends && [ends - Process.clock_gettime(Process::CLOCK_MONOTONIC), 0].max
        return nil unless @stream.wait(left)
      end
    end

    # Until it is closed, which ends it quietly.
    def each_taken
      loop { yield(*take(nil)) }
    rescue Error
      raise unless @closed
    end
  end

  # A message, or the confirmation of a change.
  # @!attribute [r] kind
  #   @return [Symbol] `:message`, `:pmessage`, `:smessage`, `:subscribe`, `:psubscribe`, `:unsubscribe`, `:pong`, ...
  # @!attribute [r] channel
  #   @return [String, nil]
  # @!attribute [r] pattern
  #   @return [String, nil] the pattern that the channel fits
  # @!attribute [r] data
  #   @return [String, Integer, nil] the text; of a confirmation, how many channels and patterns there are now
  # @!attribute [r] gap
  #   @return [Boolean] the connection was lost and made again: messages may be missing before this one
  # @!attribute [r] dropped
  #   @return [Integer] so many messages before this one were dropped, as they were not read in time
  Message = Struct.new(:kind, :channel, :pattern, :data, :gap, :dropped) do
    alias_method :gap?, :gap

    # @return [Boolean] whether it is a message, and no confirmation
    def message?
      %i[message pmessage smessage].include?(kind)
    end
  end

  # Channels and patterns that are listened to. All of a client share one connection; when that is lost, everything is
  # subscribed to again, and {Message#gap} tells.
  #
  #     redis.subscription("news", patterns: ["user:*"]) do |subscription|
  #       subscription.each { |message| puts "#{message.channel}: #{message.data}" }
  #     end
  class Subscription < Incoming
    # @return [Integer] how often messages may have been lost with the connection
    attr_reader :gaps

    # @api private
    def initialize(native, options, command = "SUBSCRIBE", names = [])
      super(native, options)
      @gaps = 0
      @untold_gap = false
      @untold_drops = 0
      start([command, *names])
      until_ready
    end

    # Adds channels. Their confirmations come among the messages.
    # @return [self]
    def subscribe(*channels)
      change("SUBSCRIBE", channels)
    end

    # Adds patterns.
    # @return [self]
    def psubscribe(*patterns)
      change("PSUBSCRIBE", patterns)
    end

    # Adds sharded channels.
    # @return [self]
    def ssubscribe(*channels)
      change("SSUBSCRIBE", channels)
    end

    # Removes channels; without any: all of them.
    # @return [self]
    def unsubscribe(*channels)
      change("UNSUBSCRIBE", channels)
    end

    # Removes patterns; without any: all of them.
    # @return [self]
    def punsubscribe(*patterns)
      change("PUNSUBSCRIBE", patterns)
    end

    # Removes sharded channels; without any: all of them.
    # @return [self]
    def sunsubscribe(*channels)
      change("SUNSUBSCRIBE", channels)
    end

    # Asks the server for a sign, which comes among the messages, too.
    # @return [self]
    def ping(text = "")
      change("PING", [text])
    end

    # The next message or confirmation.
    # @param timeout [Numeric, nil] for how many seconds it waits; nil: as long as it takes
    # @return [Message, nil] nil when the time is over
    # @raise [ClosedError] it is closed
    def message(timeout: nil)
      taken = take(timeout)
      taken && read(*taken)
    end

    # Calls the block with each message, but not with confirmations, until it is closed. A gap is told by the message
    # behind it.
    # @yieldparam message [Message]
    # @return [Enumerator, self] an enumerator if there is no block
    def each
      return to_enum(:each) unless block_given?

      each_taken do |value, gap, dropped|
        message = read(value, gap, dropped)
        @untold_gap ||= message.gap
        @untold_drops += message.dropped
        next unless message.message?

        message.gap = @untold_gap
        message.dropped = @untold_drops
        @untold_gap = false
        @untold_drops = 0
        yield message
      end
      self
    end

    private

    def change(command, names)
      raise Native.new_error(:closed, :not_run, "it is closed") if @closed

      sink = @native.change(@stream, [command, *names.flatten], @options.for_messages)
      sink.wait(nil)
      sink.result
      self
    end

    # What is published from then on is seen. The confirmations are told by {#message} all the same; a number is behind
    # them.
    def until_ready
      seen = []
      seen << take(nil) until seen.last&.first.is_a?(Integer)
      @kept = seen[..-2]
    ensure
      close unless seen.last&.first.is_a?(Integer)
    end

    def read(value, gap, dropped)
      kind = value[0].to_sym
      @gaps += 1 if gap
      case kind
      when :pmessage then Message.new(kind, value[2], value[1], value[3], gap, dropped)
      when :psubscribe, :punsubscribe then Message.new(kind, nil, value[1], value[2], gap, dropped)
      when :pong then Message.new(kind, nil, nil, value[1], gap, dropped)
      else Message.new(kind, value[1], nil, value[2], gap, dropped)
      end
    end
  end

  # What happens to the connections of a client; see {PubSub#events}.
  class Events < Incoming
    # @api private
    def initialize(native, options)
      super
      @stream = native.events(@queue, options.for_messages)
    end

    # Calls the block with a Hash for each event, until it is closed.
    # @return [Enumerator, self] an enumerator if there is no block
    def each
      return to_enum(:each) unless block_given?

      each_taken { |event, _gap, _dropped| yield event }
      self
    end

    # @return [Hash, nil] the next event; nil when the time is over
    def event(timeout: nil)
      take(timeout)&.first
    end
  end

  # The lines of MONITOR; see {PubSub#monitor}.
  class Monitor < Incoming
    # @api private
    def initialize(native, options)
      super
      start(["MONITOR"])
    end

    # Calls the block with "OK", and then with a line for each command that the server runs, until it is closed.
    # @return [Enumerator, self] an enumerator if there is no block
    def each
      return to_enum(:each) unless block_given?

      each_taken { |line, _gap, _dropped| yield line }
      self
    end
  end
end
