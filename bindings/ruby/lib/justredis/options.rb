# frozen_string_literal: true

class JustRedis
  # How a request is sent: made once, used for many.
  # @api private
  class RequestOptions
    FLAGS = {
      replica: Native::REPLICA, cached: Native::CACHED, idempotent: Native::IDEMPOTENT, dedicated: Native::DEDICATED
    }.freeze
    NAMES = [*FLAGS.keys, :timeout, :route, :exception].freeze

    # @return [Native::Options]
    attr_reader :native, :encoding

    def initialize(encoding, given = {})
      @encoding = encoding
      @given = given
      wrong = given.keys - NAMES
      raise ArgumentError, "no option #{wrong.first.inspect} of a request; there are #{NAMES.join(", ")}" if wrong.any?

      @native = make(given.fetch(:exception, true) == false)
    end

    # The same but for these.
    def merge(given)
      given.empty? ? self : RequestOptions.new(@encoding, @given.merge(given))
    end

    # Of a batch: an error is the value of its command.
    def with_errors_as_values
      @with_errors_as_values ||= make(true)
    end

    # Of what others wait for in their own way, such as a subscription: strings and errors as they come.
    def for_messages
      @for_messages ||= Native::Options.new(0, timeout_ms, route, @encoding, false)
    end

    # @return [Boolean] whether errors are raised
    def raises?
      @given.fetch(:exception, true) != false
    end

    private

    def make(errors_are_values)
      flags = FLAGS.sum { |name, flag| @given[name] ? flag : 0 }
      Native::Options.new(flags, timeout_ms, route, @encoding, errors_are_values)
    end

    def route
      @given[:route]&.to_s
    end

    def timeout_ms
      seconds = @given[:timeout]
      return 0 if seconds.nil?
      raise ArgumentError, "a timeout is more than 0 seconds; Float::INFINITY is none" unless seconds.positive?

      milliseconds = seconds.to_f.infinite? ? Native::NO_TIMEOUT : (seconds * 1000).ceil
      [milliseconds, Native::NO_TIMEOUT].min
    end
  end
end
