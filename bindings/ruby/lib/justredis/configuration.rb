# frozen_string_literal: true

require "uri"

class JustRedis
  # From what a program gives to the options of the library, which are texts. Numbers are seconds where the library
  # wants a duration. redis-rb's names are understood, too.
  # @api private
  module Configuration
    DURATIONS = %i[
      connect_timeout command_timeout dead_after reconnect_delay reconnect_delay_max tcp_keepalive idle_timeout
      unblock_grace max_replica_lag refresh_interval
    ].freeze
    # Of redis-rb, without a meaning here.
    WITHOUT_MEANING = %i[driver inherit_socket write_timeout reconnect_attempts].freeze
    RENAMED = { db: :database, id: :client_name, read_timeout: :command_timeout, ssl: :tls,
                name: :sentinel_name }.freeze
    SSL_PARAMETERS = { ca_file: :tls_ca, cert: :tls_certificate, key: :tls_key, hostname: :tls_server_name }.freeze

    module_function

    # @return [Array<Array<String>>] pairs in the order in which they are set
    def read(url, given)
      given = given.dup
      options = {}
      if given[:sentinels] && url
        sentinel_url(URI(url), options)
      elsif url
        options[:url] = url
      end
      addresses(given, options)
      ssl_parameters(given, options)
      options[:read_from] = "replica" if %w[slave replica].include?(given.delete(:role).to_s)
      options[:read_from] = "prefer_replica" if given.delete(:replica)
      timeout = given.delete(:timeout)
      options[:connect_timeout] = options[:command_timeout] = timeout if timeout
      given.each { |name, value| options[RENAMED.fetch(name, name)] = value unless WITHOUT_MEANING.include?(name) }
      options.compact.map { |name, value| [name.to_s, text(name, value)].freeze }.freeze
    end

    # redis-rb has the name of the primary in the place of the host.
    def sentinel_url(uri, options)
      options[:sentinel_name] = uri.host
      options[:username] = uri.user unless uri.user.to_s.empty?
      options[:password] = URI.decode_www_form_component(uri.password) if uri.password
      options[:database] = uri.path.delete_prefix("/") if uri.path.to_s.size > 1
      options[:tls] = true if uri.scheme == "rediss"
    end

    def addresses(given, options)
      host, port, path = given.values_at(:host, :port, :path)
      options[:endpoints] = path || address(host || "127.0.0.1", port || 6379) if host || port || path
      nodes(given[:cluster] || given[:nodes], "cluster", options)
      nodes(given[:sentinels], "sentinel", options)
      options[:endpoints] = given[:endpoints] if given[:endpoints]
      %i[host port path cluster nodes sentinels endpoints].each { |name| given.delete(name) }
    end

    def nodes(list, topology, options)
      return unless list

      options[:endpoints] = Array(list).map { |node| node_address(node) }
      options[:topology] = topology
    end

    def node_address(node)
      return address(node[:host], node.fetch(:port, 6379)) if node.is_a?(Hash)

      node.to_s.sub(%r{\A\w+://}, "").sub(%r{/\d*\z}, "")
    end

    def address(host, port)
      host.include?(":") ? "[#{host}]:#{port}" : "#{host}:#{port}"
    end

    def ssl_parameters(given, options)
      (given.delete(:ssl_params) || {}).each do |name, value|
        options[:tls_insecure] = true if name == :verify_mode && value.zero?
        options[SSL_PARAMETERS[name]] = value.respond_to?(:to_pem) ? value.to_pem : value if SSL_PARAMETERS.key?(name)
      end
    end

    def text(name, value)
      case value
      when true then "on"
      when false then "off"
      when Array then value.join(",")
      when Numeric then DURATIONS.include?(name) ? duration(value) : value.to_s
      else value.to_s
      end
    end

    def duration(seconds)
      seconds.to_f.infinite? ? "none" : "#{(seconds * 1000).ceil}ms"
    end
  end
end
