# frozen_string_literal: true

class JustRedis
  # The commands of a pipeline or a transaction; see {Requests#pipelined} and {Requests#multi}.
  class Batch
    include Commands

    # @api private
    def self.gather(block)
      raise ArgumentError, "a block with one argument says what to send: { |pipeline| pipeline.get(key) }" if block.nil?
      raise ArgumentError, "the block takes the pipeline as its argument" if block.arity.zero?

      new.tap { |batch| block.call(batch) }
    end

    # @api private
    def initialize
      @commands = []
      @futures = []
    end

    # As {Requests#call}, without options.
    # @return [Future]
    def call(*words)
      issue(words)
    end

    # @api private
    def issue(words, transform = nil)
      future = Future.new(transform)
      @commands << words
      @futures << future
      future
    end

    # @api private
    def run(native, options, atomic:, exception:)
      return [] if @commands.empty?

      settle(native.batch(@commands, atomic, options.with_errors_as_values), atomic, exception)
    end

    # @api private
    def start(native, options, atomic:)
      raise ArgumentError, "there are no commands" if @commands.empty?

      Reply.new(native.start_batch(@commands, atomic, options.with_errors_as_values),
                ->(answer) { settle(answer, atomic, false) })
    end

    private

    # One command that is no transaction is answered as such, and not by an array.
    def settle(answer, atomic, exception)
      answers = @commands.size == 1 && !atomic ? [answer] : answer
      return answers if answers.nil?
      raise answers unless answers.is_a?(Array)

      answers = @futures.each_with_index.map { |future, index| future.settle(answers[index]) }
      failed = exception && answers.find { |each| each.is_a?(Error) }
      raise failed if failed

      answers
    end
  end
end
