"""The reasons of all answers and targets; docs/status.md says what each means and what to do. Pure."""

from __future__ import annotations

REASONS = frozenset(
    {
        # of several checks
        *("PodsNotReady", "PrometheusNotReady", "PrometheusNotAnswering", "TookTooLong"),
        *("MetricsExposed", "NotAnswered", "BadExposition", "MetricMissing"),
        *("ServiceScraped", "NotScrapedYet", "NotSelected", "DroppedByRelabelling", "AccessDenied", "UnexpectedStatus"),
        *("Timeout", "NotConnected", "NetworkPolicyBlocks", "LimitExceeded", "ScrapeFailed"),
        *("GrafanaConnected", "GrafanaDisabled", "GrafanaNotReady", "CredentialsMissing", "GrafanaNotAnswering"),
        *("WrongPassword", "DatasourceMissing", "DatasourceChanged", "DatasourceUnhealthy"),
        *("Provisioning", "DashboardMissing"),
        *("DashboardsLive", "NotChecked", "QueryRefused", "QueryTimedOut", "LabelMissing", "QueryEmpty"),
        "DashboardUnreadable",
        *("StockAgrees", "StockMissing", "StockDiffers", "NoProducts"),
        *("SeriesThere", "SeriesMissing", "KubeletNotScraped", "Disabled", "NotPermitted"),
        *("HistoryThere", "HistoryLost", "VolumeFull", "VolumeTooSmall", "NoOwnMetrics", "TooYoung"),
        *("ConfigurationLoaded", "ConfigurationRefused"),
        *("NotificationsSent", "NotificationsFailing", "NothingSent", "NoReceivers", "AlertmanagerNotScraped"),
    }
)
