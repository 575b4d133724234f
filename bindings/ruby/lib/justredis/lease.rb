# frozen_string_literal: true

class JustRedis
  # One connection for itself, as {JustRedis#watch} and {JustRedis#lease} give it.
  class Lease
    include Commands
    include Requests

    # @api private
    def initialize(native, options)
      @native = native
      @options = options
    end

    # Watches more keys.
    # @return [String] "OK"
    def watch(*keys)
      issue(["WATCH", *keys])
    end

    # Watches no key any more.
    # @return [String] "OK"
    def unwatch
      issue(["UNWATCH"])
    end

    # Gives the connection back.
    def close
      @native.release
    end

    private

    def derived(native, options)
      Lease.new(native, options)
    end
  end
end
