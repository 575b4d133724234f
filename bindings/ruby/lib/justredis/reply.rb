# frozen_string_literal: true

class JustRedis
  # The answer to a command that was sent by {Requests#later}; it may be asked for at any time, or never.
  class Reply
    # @api private
    def initialize(sink, transform = nil)
      @sink = sink
      @transform = transform
    end

    # Waits for the answer. May be asked again.
    # @return [Object] the answer of the command
    # @raise [Error] the error of the server, or why there is no answer
    def value
      @sink.wait(nil)
      answer = @sink.result
      return answer if @transform.nil? || answer.is_a?(Error)

      @value = @transform.call(answer) unless defined?(@value)
      @value
    end

    # Waits for the answer, and does not take it.
    # @param timeout [Numeric, nil] for so many seconds; nil: as long as it takes
    # @return [Boolean] whether it is there
    def wait(timeout = nil)
      @sink.wait(timeout)
    end

    # @return [Boolean] whether the answer has been seen to be there; never waits
    def done?
      @sink.done? || @sink.wait(0)
    end

    # Ends the request before its answer: {#value} then raises {CanceledError}. It may have run: see {Error#outcome}.
    # @return [Boolean] whether it was still under way
    def cancel
      @sink.cancel
    end
  end

  # The answer to a command of a pipeline or a transaction, which is there when that has run.
  class Future
    # @api private
    def initialize(transform)
      @transform = transform
      @ready = false
    end

    # @return [Object] the answer of the command
    # @raise [ReplyError] the error of the server
    # @raise [FutureNotReady] the pipeline has not run, or the transaction did not take place
    def value
      raise FutureNotReady unless @ready
      raise @answer if @answer.is_a?(Error)

      @answer
    end

    # @return [Boolean] whether there is a value
    def ready?
      @ready
    end

    # @api private
    def settle(answer)
      @ready = true
      @answer = @transform.nil? || answer.is_a?(Error) ? answer : @transform.call(answer)
    end
  end
end
