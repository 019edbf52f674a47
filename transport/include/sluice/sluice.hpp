#pragma once

/// Everything that a program of the graph needs.
#include <sluice/config.hpp>
#include <sluice/error.hpp>
#include <sluice/executor.hpp>
#include <sluice/graph.hpp>
#include <sluice/message.hpp>
#include <sluice/node.hpp>
#include <sluice/node_options.hpp>
#include <sluice/parameter.hpp>
#include <sluice/publisher.hpp>
#include <sluice/qos.hpp>
#include <sluice/subscription.hpp>
