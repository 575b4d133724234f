# frozen_string_literal: true

require "socket"

class JustRedis
  # Functions of the program that the library calls: they run on a thread of Ruby that waits for its questions.
  # @api private
  class Callbacks
    # What a function for credentials is asked.
    # @!attribute [r] address
    #   @return [String] a server for which they are
    # @!attribute [r] purpose
    #   @return [Symbol] `:data` or `:sentinel`
    # @!attribute [r] reason
    #   @return [Symbol] `:connect`, `:renew` or `:rejected`
    # @!attribute [r] timeout
    #   @return [Float] after so many seconds nobody waits for the answer any more
    Query = Struct.new(:address, :purpose, :reason, :timeout)
    PURPOSES = { 1 => :data, 2 => :sentinel }.freeze
    REASONS = { 1 => :connect, 2 => :renew, 3 => :rejected }.freeze

    def initialize(dialer, credentials)
      @dialer = dialer
      @credentials = credentials
    end

    def dials?
      !@dialer.nil?
    end

    def has_credentials? # rubocop:disable Naming/PredicateName
      !@credentials.nil?
    end

    # @return [Native::Desk] where the library puts its questions; they are answered until it is closed
    def open
      desk = Native::Desk.new
      thread = Thread.new { serve(desk) }
      thread.name = "justredis callbacks"
      desk
    end

    private

    def serve(desk)
      while (question = desk.take)
        id, kind, address, timeout, purpose, reason = question
        if kind == :dial
          answer_dial(desk, id, address, timeout)
        else
          query = Query.new(address, PURPOSES.fetch(purpose, :other), REASONS.fetch(reason, :other), timeout)
          answer_credentials(desk, id, query)
        end
      end
    end

    def answer_dial(desk, id, address, timeout)
      result = -Errno::ECANCELED::Errno
      connection = @dialer.call(address, timeout)
      desk.dialed(id, connection.is_a?(Integer) ? connection : connection.to_io.fileno)
      result = nil
    rescue SystemCallError => e
      result = -e.errno
    rescue StandardError, NotImplementedError => e
      warn "justredis: the dialer failed: #{e.full_message(highlight: false)}"
      result = -Errno::EIO::Errno
    ensure
      desk.dialed(id, result) if result
      # It has been copied.
      connection.close if connection.respond_to?(:close) && !connection.is_a?(Integer)
      IO.for_fd(connection).close if connection.is_a?(Integer)
    end

    # A user and a password, and for how many seconds they are valid; or a password alone.
    def answer_credentials(desk, id, query)
      answered = false
      user, password, valid = answer_of(query)
      desk.credentials(id, user, password, valid ? [(valid * 1000).to_i, 1].max : 0)
      answered = true
    rescue StandardError, NotImplementedError => e
      warn "justredis: the function for credentials failed: #{e.full_message(highlight: false)}"
    ensure
      desk.credentials(id, nil, nil, 0) unless answered
    end

    def answer_of(query)
      given = @credentials.call(query)
      given.is_a?(String) ? [nil, given, nil] : given
    rescue AuthenticationError
      # Waiting does not help.
      [nil, nil, 1]
    end
  end
end
