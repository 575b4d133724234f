# frozen_string_literal: true

class JustRedis
  module Native
    # How fibers of a scheduler wait: one of them waits on the descriptor of the queue, and delivers for all.
    # @api private
    class Queue
      # @return [Boolean] whether the sink is ready; false when the time is over
      def wait_in_fiber(sink, timeout, scheduler)
        ends = timeout && (clock + timeout)
        until sink.ready?
          left = ends && (ends - clock)
          return false if left && left <= 0

          woken = @leader ? follow(sink, left, scheduler) : lead(left)
          # Schedulers that end a wait that has no end by letting it return, as that of async 1.
          raise Native.new_error(:timeout, :unknown, "the scheduler ended the wait") unless woken || left || sink.ready?
        end
        true
      ensure
        hand_over
      end

      private

      def clock
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end

      def lead(left)
        @leader = true
        waits(1)
        @io ||= IO.for_fd(fileno, autoclose: false)
        readable = @io.wait_readable(left)
        ready
        readable
      ensure
        waits(-1)
        @leader = false
        woken&.each { |waiters| waiters.each { |scheduler, fiber| scheduler.unblock(self, fiber) } }
      end

      def follow(sink, left, scheduler)
        fiber = Fiber.current
        @followers[fiber] = scheduler
        waiter = [scheduler, fiber].freeze
        sink.waiters = [*sink.waiters, waiter]
        scheduler.block(self, left)
        true
      ensure
        sink.waiters = sink.waiters&.reject { |one| one.equal?(waiter) }
        @followers.delete(fiber)
        @heir = nil if @heir.equal?(fiber)
      end

      # Who leaves while nobody leads lets one of those who follow lead.
      def hand_over
        return if @leader || @heir || @followers.empty?

        @heir, scheduler = @followers.first
        scheduler.unblock(self, @heir)
      end
    end
  end
end
