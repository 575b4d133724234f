# frozen_string_literal: true

# A client of Redis and Valkey that all threads and fibers of a program share: every command is pipelined on one
# connection, and nobody waits for the answer to somebody else's command. It connects when it is first used, and anew in
# a child process.
#
#     redis = JustRedis.new(url: "redis://localhost:6379")
#     redis.set("greeting", "Hello, World!")
#     redis.get("greeting") # => "Hello, World!"
class JustRedis
  include Commands
  include Requests
  include PubSub

  # For how many seconds {#close} waits unless it is told.
  CLOSE_TIMEOUT = 5

  # @param url [String, nil] `redis://`, `rediss://`, `unix://` or `redis-sentinel://`; nil: 127.0.0.1:6379
  # @param dialer [#call, nil] brings a connected socket: called with an address and a number of seconds, on a thread of
  #   its own, gives an IO or a descriptor, or raises a SystemCallError
  # @param credentials [#call, nil] called with a {Callbacks::Query}; gives user (or nil), password, and for how many
  #   seconds they are valid (or nil), or a password alone; AuthenticationError says that there are none for good
  # @param encoding [Encoding] of the strings in answers
  # @param options any option of the library, such as `command_timeout: 0.5`, `tls_ca: "ca.pem"`, `cache_bytes: "1MiB"`;
  #   and those of redis-rb: `host`, `port`, `db`, `path`, `username`, `password`, `ssl`, `ssl_params`, `timeout`,
  #   `sentinels`, `name`, `cluster`
  # @raise [ConfigError] an option is unknown or wrong
  def initialize(url: nil, dialer: nil, credentials: nil, encoding: Encoding::UTF_8, **options)
    callbacks = Callbacks.new(dialer, credentials) if dialer || credentials
    @native = Native::Client.new(Configuration.read(url, options), callbacks)
    @options = RequestOptions.new(encoding)
    @is_view = false
    # The subscriptions of blocks that run, by their fibers.
    @running = {}.compare_by_identity
  end

  # As new; closes the client behind the block.
  # @yieldparam redis [JustRedis]
  def self.open(...)
    redis = new(...)
    begin
      yield redis
    ensure
      redis.close
    end
  end

  # A view on another database number, over a connection of its own; everything else is shared.
  # @param number [Integer]
  # @return [JustRedis]
  def database(number)
    view = derived(@native.database(number), @options)
    view.view!
  end

  # Calls the block with a connection that watches these keys, for a transaction that takes place only if nobody has
  # changed them until then. Within the block the client itself stands for that connection, too, as with redis-rb.
  #
  #     redis.watch("n") do |w|
  #       n = w.get("n").to_i
  #       w.multi { |t| t.set("n", n + 1) } # => ["OK"], or nil
  #     end
  #
  # @yieldparam lease [Lease]
  # @return what the block gives
  def watch(*keys)
    raise ArgumentError, "watch takes a block: its connection is nobody else's" unless block_given?

    lease(keys.flatten.first) do |lease|
      lease.watch(*keys)
      yield lease
    end
  end

  # Calls the block with a connection for itself, for what would change a shared one: SELECT, CLIENT SETNAME, ...
  # @param key one of the keys that it will be used for, which matters in a cluster
  # @yieldparam lease [Lease]
  # @return what the block gives
  def lease(key = nil)
    lease = Lease.new(@native.lease(key), @options)
    # What Thread.current holds is that of the fiber.
    @lease_name ||= :"justredis lease #{object_id}"
    outer = Thread.current[@lease_name]
    Thread.current[@lease_name] = lease
    begin
      yield lease
    ensure
      Thread.current[@lease_name] = outer
      lease.close
    end
  end

  # Only within the block of {#watch}.
  def unwatch
    leased.unwatch
  end

  # As {Requests#call}.
  def call(*words, **options)
    leased? ? leased.call(*words, **options) : super
  end

  # As {Requests#pipelined}.
  def pipelined(**options, &block)
    leased? ? leased.pipelined(**options, &block) : super
  end

  # As {Requests#multi}.
  def multi(**options, &block)
    leased? ? leased.multi(**options, &block) : super
  end

  # Says why there is no such command here; {#database} gives a view on another one.
  # @raise [RefusedError]
  def select(number)
    issue(["SELECT", number])
  end

  # @return [Hash] the state of the client in numbers, as `jr_client_stats` of the library describes it
  def statistics
    @native.stats
  end

  # @return [Hash] where a key is: "slot", "primary", "replicas"
  def locate(key)
    @native.locate(key)
  end

  # Other credentials from now on, also for the connections that there are.
  # @param user [String, nil]
  # @param password [String]
  def set_credentials(user, password)
    @native.set_credentials(user, password)
  end

  # Whether a connection is up.
  def connected?
    statistics["links"].any? { |link| link["connected"] == 1 }
  end

  # Ends subscriptions and blocking commands, lets what else is under way end, and closes everything. A view only goes
  # itself.
  # @param timeout [Numeric] for how many seconds it waits
  # @return [Boolean] whether everything came to its end by itself
  def close(timeout: CLOSE_TIMEOUT)
    if @is_view
      @native.release
      return true
    end
    milliseconds = (timeout * 1000).ceil
    closed = Fiber.current_scheduler ? Thread.new { @native.close(milliseconds) }.value : @native.close(milliseconds)
    # A queue that has been taken from holds on to its connection until it is asked again.
    Native::Queue.of_thread.ready
    closed
  end
  alias disconnect! close

  # As {#close}.
  # @return [String] "OK"
  def quit
    close
    "OK"
  end

  # @return [String]
  def inspect
    "#<#{self.class} #{JustRedis::VERSION}>"
  end

  # @api private
  def issue(words, transform = nil)
    return leased.issue(words, transform) if leased?

    answer = @native.call(words, @options.native)
    transform && !answer.is_a?(Error) ? transform.call(answer) : answer
  end

  # @api private
  def view!
    @is_view = true
    self
  end

  # @api private
  def adopt(native, options, is_view, running)
    @native = native
    @options = options
    @is_view = is_view
    @running = running
    self
  end

  private

  def leased?
    @lease_name && Thread.current[@lease_name]
  end

  def leased
    Thread.current[@lease_name || :""] || raise(ArgumentError, "nothing is watched here")
  end

  def derived(native, options)
    self.class.allocate.adopt(native, options, @is_view, @running)
  end
end
