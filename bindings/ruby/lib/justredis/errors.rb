# frozen_string_literal: true

# A client of Redis and Valkey that all threads and fibers of a program share.
class JustRedis
  # What goes wrong. Its message is a sentence, with the address of the server where there is one.
  class Error < StandardError
    # @return [Symbol] why: `:server`, `:timeout`, `:connect`, `:auth`, `:tls`, `:lost`, `:closed`, `:refused`, ...
    attr_reader :status

    # @return [Symbol] whether the server may have run it: `:not_run` (certainly not), `:unknown` (it was sent, and no
    #   answer came) or `:answered`
    attr_reader :outcome
  end

  # The server answered with an error; the message is its text, verbatim.
  class ReplyError < Error
    # @return [String] the first word of the server's text, such as "WRONGTYPE"
    def code
      message[/\A\S*/]
    end
  end

  # WRONGTYPE: the key holds another kind of value.
  class WrongTypeError < ReplyError; end
  # NOSCRIPT: EVALSHA of a script that the server does not hold.
  class NoScriptError < ReplyError; end
  # NOPERM: the user may not do that.
  class PermissionError < ReplyError; end
  # READONLY: a write came to a replica.
  class ReadOnlyError < ReplyError; end
  # OOM: the server has no memory left.
  class OutOfMemoryError < ReplyError; end
  # EXECABORT: a command of a transaction was refused, so that none was run.
  class ExecAbortError < ReplyError; end

  # What has to do with connections: {ConnectionError} and {TimeoutError}.
  class BaseConnectionError < Error; end

  # There is no connection, or it was lost.
  class ConnectionError < BaseConnectionError; end
  # No connection could be made.
  class CannotConnectError < ConnectionError; end
  # The server refused the user name or the password.
  class AuthenticationError < CannotConnectError; end
  # The TLS session could not be made; the message says why.
  class TlsError < CannotConnectError; end
  # The connection of a lease went away (see {JustRedis#watch}).
  class LeaseLostError < ConnectionError; end
  # The server sent what is not its protocol, or more than the limits allow.
  class ProtocolError < ConnectionError; end

  # The deadline passed.
  class TimeoutError < BaseConnectionError; end

  # The request was cancelled.
  class CanceledError < Error; end
  # The client, the lease or the subscription is closed.
  class ClosedError < Error; end
  # It belongs to the parent process.
  class ForkedError < ClosedError; end
  # A limit is reached: too much waits.
  class FullError < Error; end
  # The command changes a connection that others share; the message says what to use instead.
  class RefusedError < Error; end
  # An option of the configuration is unknown or its value is wrong.
  class ConfigError < Error; end
  # What was asked for contradicts itself.
  class UsageError < Error; end

  # The value of a {Future} was asked for before its pipeline or transaction has run.
  class FutureNotReady < RuntimeError
    def initialize(message = "the value is there when the pipeline or transaction has run")
      super
    end
  end

  Native.use_errors(
    Error,
    {
      argument: UsageError, config: ConfigError, refused: RefusedError, closed: ClosedError, full: FullError,
      forked: ForkedError, server: ReplyError, timeout: TimeoutError, canceled: CanceledError,
      connect: CannotConnectError, auth: AuthenticationError, tls: TlsError, lost: ConnectionError,
      lease_lost: LeaseLostError, protocol: ProtocolError
    }.freeze,
    {
      "WRONGTYPE" => WrongTypeError, "NOSCRIPT" => NoScriptError, "NOPERM" => PermissionError,
      "READONLY" => ReadOnlyError, "OOM" => OutOfMemoryError, "EXECABORT" => ExecAbortError
    }.freeze
  )
end
