# The DAG of bitcoin_rewards for Airflow 2.10, 2.11 and 3, written by: strata export airflow
# Do not edit it; change the project and write it again. `--check` says whether it is up to date.
#
# selection:  everything
# one task:   a model
# graph:      38dbb4fb49c8d13d

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

# Some names have moved between Airflow 2 and 3.
try:
    from airflow.sdk import DAG, Asset, TaskGroup
except ImportError:
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
    from airflow.utils.task_group import TaskGroup
try:
    from airflow.sdk import CronDataIntervalTimetable
except ImportError:
    from airflow.timetables.interval import CronDataIntervalTimetable
try:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
except ImportError:
    from airflow.exceptions import AirflowException, AirflowFailException
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    from airflow.operators.bash import BashOperator

# What each task builds and tests, and which tasks come before.
# fmt: off
TASKS = [
    {
        "task": "seeds.marketing_spend",
        "run": "build",
        "after": [],
        "nodes": [
            "seed.bitcoin_rewards.marketing_spend",
            "test.bitcoin_rewards.unique_together_marketing_spend_date__channel__campaign.9621585438",
            "test.bitcoin_rewards.not_null_marketing_spend_date.7f75537d8f",
            "test.bitcoin_rewards.not_null_marketing_spend_channel.a9434b9244",
            "test.bitcoin_rewards.not_null_marketing_spend_campaign.21bd321bce"
        ]
    },
    {
        "task": "seeds.revenue_and_rewards",
        "run": "build",
        "after": ["seeds.users"],
        "nodes": [
            "seed.bitcoin_rewards.revenue_and_rewards",
            "test.bitcoin_rewards.not_null_revenue_and_rewards_user_id.9d3b0fd1c0",
            "test.bitcoin_rewards.relationships_revenue_and_rewards_user_id__user_id__ref_users_.58bc631168",
            "test.bitcoin_rewards.not_null_revenue_and_rewards_date.a2db6c2bbf"
        ]
    },
    {
        "task": "seeds.user_touchpoints",
        "run": "build",
        "after": ["seeds.users"],
        "nodes": [
            "seed.bitcoin_rewards.user_touchpoints",
            "test.bitcoin_rewards.not_null_user_touchpoints_user_id.aeabccf35e",
            "test.bitcoin_rewards.relationships_user_touchpoints_user_id__user_id__ref_users_.9c31ef0e8c",
            "test.bitcoin_rewards.not_null_user_touchpoints_touchpoint_date.c97b9ef0e8",
            "test.bitcoin_rewards.relationships_user_touchpoints_campaign__campaign__ref_marketing_spend_.40d441a119",
            "test.bitcoin_rewards.not_null_user_touchpoints_touchpoint_type.5e8317ee4c",
            "test.bitcoin_rewards.accepted_values_user_touchpoints_touchpoint_type__ad_impression__ad_click__email_open__email_click__invite_view__invite_click__app_store_visit__app_open.e68f78b286",
            "test.bitcoin_rewards.not_null_user_touchpoints_source.26f1e7c494",
            "test.bitcoin_rewards.not_null_user_touchpoints_medium.d408d73f6e",
            "test.bitcoin_rewards.not_null_user_touchpoints_conversion.0feb0ee3c6"
        ]
    },
    {
        "task": "seeds.users",
        "run": "build",
        "after": ["seeds.marketing_spend"],
        "nodes": [
            "seed.bitcoin_rewards.users",
            "test.bitcoin_rewards.unique_users_user_id.dff2f1fba5",
            "test.bitcoin_rewards.not_null_users_user_id.fa10ab166c",
            "test.bitcoin_rewards.not_null_users_installed_at.a518b3bef4",
            "test.bitcoin_rewards.not_null_users_created_at.8eba9e8537",
            "test.bitcoin_rewards.not_null_users_updated_at.00a2f24de4",
            "test.bitcoin_rewards.relationships_users_campaign__campaign__ref_marketing_spend_.22d011f82a"
        ]
    },
    {
        "task": "staging.stg_marketing_spend",
        "run": "build",
        "after": ["seeds.marketing_spend"],
        "nodes": [
            "model.bitcoin_rewards.stg_marketing_spend",
            "test.bitcoin_rewards.assert_funnel_narrows",
            "test.bitcoin_rewards.unique_stg_marketing_spend_spend_id.63dfec4d3b",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_spend_id.b4e3f49f1c",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_spend_date.56ce71effe",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_campaign_id.f8838152b2",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_channel.aa1d9e6a95",
            "test.bitcoin_rewards.accepted_values_stg_marketing_spend_channel__apple_search_ads__email__facebook__google__influencer__reddit__referral__tiktok__x.56ec1f4c05",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_campaign.8d11c0796e",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_spend.22f171ab99",
            "test.bitcoin_rewards.not_negative_stg_marketing_spend_spend.290dcb8d72",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_impressions.d1a5846801",
            "test.bitcoin_rewards.not_negative_stg_marketing_spend_impressions.4326b03f44",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_clicks.48ec294597",
            "test.bitcoin_rewards.not_negative_stg_marketing_spend_clicks.d118c82af6",
            "test.bitcoin_rewards.not_null_stg_marketing_spend_installs.052f1eb61c",
            "test.bitcoin_rewards.not_negative_stg_marketing_spend_installs.9fff5abb74"
        ]
    },
    {
        "task": "staging.stg_revenue_and_rewards",
        "run": "build",
        "after": ["seeds.revenue_and_rewards", "staging.stg_user_touchpoints"],
        "nodes": [
            "model.bitcoin_rewards.stg_revenue_and_rewards",
            "test.bitcoin_rewards.assert_conversions_match_first_payments",
            "test.bitcoin_rewards.unique_stg_revenue_and_rewards_transaction_id.d6def2a621",
            "test.bitcoin_rewards.not_null_stg_revenue_and_rewards_transaction_id.1ffe0f6a5a",
            "test.bitcoin_rewards.not_null_stg_revenue_and_rewards_user_id.86ee39cd5a",
            "test.bitcoin_rewards.relationships_stg_revenue_and_rewards_user_id__user_id__ref_stg_users_.f728d492e1",
            "test.bitcoin_rewards.not_null_stg_revenue_and_rewards_activity_date.fbfc242f9c",
            "test.bitcoin_rewards.not_null_stg_revenue_and_rewards_revenue.d7af95e978",
            "test.bitcoin_rewards.not_negative_stg_revenue_and_rewards_revenue.2ccea73020",
            "test.bitcoin_rewards.not_null_stg_revenue_and_rewards_reward.de01c0676c",
            "test.bitcoin_rewards.not_negative_stg_revenue_and_rewards_reward.d0e1b88cce"
        ]
    },
    {
        "task": "staging.stg_user_touchpoints",
        "run": "build",
        "after": ["seeds.user_touchpoints", "staging.stg_users"],
        "nodes": [
            "model.bitcoin_rewards.stg_user_touchpoints",
            "test.bitcoin_rewards.unique_stg_user_touchpoints_touchpoint_id.0fc8b10a73",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_touchpoint_id.319a217abf",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_user_id.86d35a6d7c",
            "test.bitcoin_rewards.relationships_stg_user_touchpoints_user_id__user_id__ref_stg_users_.712f1cf882",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_touchpoint_number.71e0aecfa0",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_touchpoint_date.0e24806cec",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_campaign_id.f4d5e1ed67",
            "test.bitcoin_rewards.relationships_stg_user_touchpoints_campaign_id__campaign_id__ref_int_campaigns_.8304d90365",
            "test.bitcoin_rewards.relationships_stg_user_touchpoints_spend_id__spend_id__ref_stg_marketing_spend_.7c65fc689f",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_channel.aa607fdb6a",
            "test.bitcoin_rewards.accepted_values_stg_user_touchpoints_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.409942deb0",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_touchpoint_type.759b6f418d",
            "test.bitcoin_rewards.accepted_values_stg_user_touchpoints_touchpoint_type__ad_impression__ad_click__email_open__email_click__invite_view__invite_click__app_store_visit__app_open.28865fc0cc",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_source.0b892534ac",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_medium.ec1950cce0",
            "test.bitcoin_rewards.not_null_stg_user_touchpoints_is_conversion.8fb8560de7"
        ]
    },
    {
        "task": "staging.stg_users",
        "run": "build",
        "after": ["seeds.users", "intermediate.int_campaigns"],
        "nodes": [
            "model.bitcoin_rewards.stg_users",
            "test.bitcoin_rewards.assert_user_timestamps_are_in_order",
            "test.bitcoin_rewards.unique_stg_users_user_id.c2ff477e6b",
            "test.bitcoin_rewards.not_null_stg_users_user_id.980dfc1b77",
            "test.bitcoin_rewards.not_null_stg_users_installed_at.89517852ce",
            "test.bitcoin_rewards.not_null_stg_users_installed_on.b2e8d2b64e",
            "test.bitcoin_rewards.not_null_stg_users_created_at.7be3c50b25",
            "test.bitcoin_rewards.not_null_stg_users_updated_at.f167b11bc4",
            "test.bitcoin_rewards.not_null_stg_users_campaign_id.8b77c2731f",
            "test.bitcoin_rewards.relationships_stg_users_campaign_id__campaign_id__ref_int_campaigns_.483c96f01d",
            "test.bitcoin_rewards.relationships_stg_users_spend_id__spend_id__ref_stg_marketing_spend_.69d43aef0d",
            "test.bitcoin_rewards.not_null_stg_users_channel.9db4afb158",
            "test.bitcoin_rewards.accepted_values_stg_users_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.9b841e6718"
        ]
    },
    {
        "task": "intermediate.int_attribution_weights",
        "run": "build",
        "after": ["intermediate.int_touchpoints_before_conversion"],
        "nodes": [
            "model.bitcoin_rewards.int_attribution_weights",
            "test.bitcoin_rewards.assert_attribution_weights_sum_to_one",
            "test.bitcoin_rewards.unique_int_attribution_weights_touchpoint_id.3b1f1b3ae3",
            "test.bitcoin_rewards.not_null_int_attribution_weights_touchpoint_id.87f8ca0f9d",
            "test.bitcoin_rewards.relationships_int_attribution_weights_touchpoint_id__touchpoint_id__ref_int_touchpoints_before_conversion_.ddaf9a7993",
            "test.bitcoin_rewards.not_null_int_attribution_weights_user_id.51dd525f7e",
            "test.bitcoin_rewards.relationships_int_attribution_weights_user_id__user_id__ref_int_conversions_.9c017be6d3",
            "test.bitcoin_rewards.not_null_int_attribution_weights_campaign_id.e936b43147",
            "test.bitcoin_rewards.relationships_int_attribution_weights_campaign_id__campaign_id__ref_int_campaigns_.10ff5fa173",
            "test.bitcoin_rewards.not_null_int_attribution_weights_channel.5bfac3d777",
            "test.bitcoin_rewards.accepted_values_int_attribution_weights_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.58b7fcd24b",
            "test.bitcoin_rewards.not_null_int_attribution_weights_first_touch.bb7186659e",
            "test.bitcoin_rewards.not_negative_int_attribution_weights_first_touch.82bc2186f4",
            "test.bitcoin_rewards.not_null_int_attribution_weights_last_touch.2fe60b9fd9",
            "test.bitcoin_rewards.not_negative_int_attribution_weights_last_touch.e71ece6466",
            "test.bitcoin_rewards.not_null_int_attribution_weights_linear.9d15d24d77",
            "test.bitcoin_rewards.not_negative_int_attribution_weights_linear.693821e716",
            "test.bitcoin_rewards.not_null_int_attribution_weights_position_based.e8d403bbc4",
            "test.bitcoin_rewards.not_negative_int_attribution_weights_position_based.06277645ab",
            "test.bitcoin_rewards.not_null_int_attribution_weights_time_decay.b249000c8e",
            "test.bitcoin_rewards.not_negative_int_attribution_weights_time_decay.18e2f814e8"
        ]
    },
    {
        "task": "intermediate.int_campaign_daily",
        "run": "build",
        "after": ["intermediate.int_conversions", "intermediate.int_user_revenue_daily"],
        "nodes": [
            "model.bitcoin_rewards.int_campaign_daily",
            "test.bitcoin_rewards.assert_reported_installs_match_users",
            "test.bitcoin_rewards.unique_int_campaign_daily_campaign_day_id.619357c908",
            "test.bitcoin_rewards.not_null_int_campaign_daily_campaign_day_id.19993cb977",
            "test.bitcoin_rewards.not_null_int_campaign_daily_performance_date.d0787af47e",
            "test.bitcoin_rewards.not_null_int_campaign_daily_campaign_id.b278083051",
            "test.bitcoin_rewards.relationships_int_campaign_daily_campaign_id__campaign_id__ref_int_campaigns_.a8ec0ca925"
        ]
    },
    {
        "task": "intermediate.int_campaigns",
        "run": "build",
        "after": ["staging.stg_marketing_spend"],
        "nodes": [
            "model.bitcoin_rewards.int_campaigns",
            "test.bitcoin_rewards.unique_int_campaigns_campaign_id.0498672dc0",
            "test.bitcoin_rewards.not_null_int_campaigns_campaign_id.a724cd205f",
            "test.bitcoin_rewards.not_null_int_campaigns_channel.e3387a5160",
            "test.bitcoin_rewards.accepted_values_int_campaigns_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.28b488e728",
            "test.bitcoin_rewards.not_null_int_campaigns_campaign_type.3dd408a557",
            "test.bitcoin_rewards.accepted_values_int_campaigns_campaign_type__paid__unpaid__organic.49f295290d",
            "test.bitcoin_rewards.relationships_stg_marketing_spend_campaign_id__campaign_id__ref_int_campaigns_.a5cfc4630d"
        ]
    },
    {
        "task": "intermediate.int_conversions",
        "run": "build",
        "after": ["staging.stg_user_touchpoints"],
        "nodes": [
            "model.bitcoin_rewards.int_conversions",
            "test.bitcoin_rewards.assert_conversions_need_an_account",
            "test.bitcoin_rewards.unique_int_conversions_user_id.35373ebea9",
            "test.bitcoin_rewards.not_null_int_conversions_user_id.4994af7053",
            "test.bitcoin_rewards.relationships_int_conversions_user_id__user_id__ref_stg_users_.edf2827f22",
            "test.bitcoin_rewards.unique_int_conversions_touchpoint_id.956b085569",
            "test.bitcoin_rewards.not_null_int_conversions_touchpoint_id.aeafb50665",
            "test.bitcoin_rewards.relationships_int_conversions_touchpoint_id__touchpoint_id__ref_stg_user_touchpoints_.961f0ecf26",
            "test.bitcoin_rewards.not_null_int_conversions_converted_at.a7fdee3b95",
            "test.bitcoin_rewards.not_null_int_conversions_conversion_date.06f857ca2e",
            "test.bitcoin_rewards.not_null_int_conversions_days_to_convert.0bcda7df95",
            "test.bitcoin_rewards.not_negative_int_conversions_days_to_convert.57befe189d"
        ]
    },
    {
        "task": "intermediate.int_data_window",
        "run": "build",
        "after": ["staging.stg_revenue_and_rewards"],
        "nodes": [
            "model.bitcoin_rewards.int_data_window",
            "test.bitcoin_rewards.not_null_int_data_window_first_date.04cfbc095c",
            "test.bitcoin_rewards.unique_int_data_window_last_date.4370b444a0",
            "test.bitcoin_rewards.not_null_int_data_window_last_date.d674e201e7"
        ]
    },
    {
        "task": "intermediate.int_days",
        "run": "build",
        "after": ["intermediate.int_data_window"],
        "nodes": [
            "model.bitcoin_rewards.int_days",
            "test.bitcoin_rewards.unique_int_days_date_day.f4b1502381",
            "test.bitcoin_rewards.not_null_int_days_date_day.42d38e3203"
        ]
    },
    {
        "task": "intermediate.int_touchpoints_before_conversion",
        "run": "build",
        "after": ["intermediate.int_conversions"],
        "nodes": [
            "model.bitcoin_rewards.int_touchpoints_before_conversion",
            "test.bitcoin_rewards.assert_late_touchpoints_get_no_credit",
            "test.bitcoin_rewards.unique_int_touchpoints_before_conversion_touchpoint_id.113daf9717",
            "test.bitcoin_rewards.not_null_int_touchpoints_before_conversion_touchpoint_id.9d960a2710",
            "test.bitcoin_rewards.relationships_int_touchpoints_before_conversion_touchpoint_id__touchpoint_id__ref_stg_user_touchpoints_.844bcc5529",
            "test.bitcoin_rewards.not_null_int_touchpoints_before_conversion_user_id.61b7da0397",
            "test.bitcoin_rewards.relationships_int_touchpoints_before_conversion_user_id__user_id__ref_int_conversions_.e6e9acaca4",
            "test.bitcoin_rewards.not_null_int_touchpoints_before_conversion_campaign_id.5891188bd7",
            "test.bitcoin_rewards.relationships_int_touchpoints_before_conversion_campaign_id__campaign_id__ref_int_campaigns_.f1aa713add",
            "test.bitcoin_rewards.not_null_int_touchpoints_before_conversion_channel.dc29151416",
            "test.bitcoin_rewards.accepted_values_int_touchpoints_before_conversion_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.c57a174151",
            "test.bitcoin_rewards.not_null_int_touchpoints_before_conversion_touchpoint_date.9f3690e812",
            "test.bitcoin_rewards.not_null_int_touchpoints_before_conversion_converted_at.51d39b0a7b",
            "test.bitcoin_rewards.not_null_int_touchpoints_before_conversion_days_before_conversion.f5612a691c",
            "test.bitcoin_rewards.not_negative_int_touchpoints_before_conversion_days_before_conversion.884440bbea"
        ]
    },
    {
        "task": "intermediate.int_user_revenue_daily",
        "run": "build",
        "after": ["staging.stg_revenue_and_rewards"],
        "nodes": [
            "model.bitcoin_rewards.int_user_revenue_daily",
            "test.bitcoin_rewards.unique_int_user_revenue_daily_user_day_id.3a800f571f",
            "test.bitcoin_rewards.not_null_int_user_revenue_daily_user_day_id.15a39d8b55",
            "test.bitcoin_rewards.not_null_int_user_revenue_daily_user_id.7a37a83d29",
            "test.bitcoin_rewards.relationships_int_user_revenue_daily_user_id__user_id__ref_stg_users_.794a67775d",
            "test.bitcoin_rewards.not_null_int_user_revenue_daily_campaign_id.6f770453e3",
            "test.bitcoin_rewards.relationships_int_user_revenue_daily_campaign_id__campaign_id__ref_int_campaigns_.5014a5d492",
            "test.bitcoin_rewards.not_null_int_user_revenue_daily_activity_date.4548c7bf70",
            "test.bitcoin_rewards.not_null_int_user_revenue_daily_days_since_install.f6d2fcecdb",
            "test.bitcoin_rewards.not_negative_int_user_revenue_daily_days_since_install.72fa8ae3fb",
            "test.bitcoin_rewards.not_null_int_user_revenue_daily_revenue.40a6fc14e0",
            "test.bitcoin_rewards.not_null_int_user_revenue_daily_rewards.2437595ca3"
        ]
    },
    {
        "task": "marts.budget_recommendation",
        "run": "build",
        "after": ["intermediate.int_data_window", "marts.campaign_performance"],
        "nodes": [
            "model.bitcoin_rewards.budget_recommendation",
            "test.bitcoin_rewards.unique_budget_recommendation_campaign_id.9fa0b21015",
            "test.bitcoin_rewards.not_null_budget_recommendation_campaign_id.a0af0f6127",
            "test.bitcoin_rewards.relationships_budget_recommendation_campaign_id__campaign_id__ref_campaign_performance_.b1910f172d",
            "test.bitcoin_rewards.not_null_budget_recommendation_channel.7f8254435f",
            "test.bitcoin_rewards.accepted_values_budget_recommendation_channel__apple_search_ads__email__facebook__google__influencer__reddit__referral__tiktok__x.07297acf81",
            "test.bitcoin_rewards.not_null_budget_recommendation_mature_spend.73fb9cc9e3",
            "test.bitcoin_rewards.not_null_budget_recommendation_mature_net_revenue.4e140998de",
            "test.bitcoin_rewards.not_null_budget_recommendation_recommendation.c2e074e098",
            "test.bitcoin_rewards.accepted_values_budget_recommendation_recommendation__grow__hold__cut.c37ecdbf22",
            "test.bitcoin_rewards.not_null_budget_recommendation_rule.551b8fe047",
            "test.bitcoin_rewards.accepted_values_budget_recommendation_rule__no_recent_spend__no_mature_spend__too_few_users__rewards_exceed_revenue__pays_back_fast__pays_back_slowly__pays_back_as_expected.c254a7d659",
            "test.bitcoin_rewards.not_null_budget_recommendation_recommended_daily_spend.f3e901b68b"
        ],
        "writes": ["bitcoin_rewards/marts/budget_recommendation"]
    },
    {
        "task": "marts.campaign_performance",
        "run": "build",
        "after": ["intermediate.int_campaign_daily"],
        "nodes": [
            "model.bitcoin_rewards.campaign_performance",
            "test.bitcoin_rewards.unique_campaign_performance_campaign_id.e819b4c079",
            "test.bitcoin_rewards.not_null_campaign_performance_campaign_id.77cfe3848c",
            "test.bitcoin_rewards.relationships_campaign_performance_campaign_id__campaign_id__ref_int_campaigns_.231b7d8127",
            "test.bitcoin_rewards.not_null_campaign_performance_channel.1dcb6aab39",
            "test.bitcoin_rewards.accepted_values_campaign_performance_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.51097e783c",
            "test.bitcoin_rewards.not_null_campaign_performance_campaign_type.30f27d9558",
            "test.bitcoin_rewards.accepted_values_campaign_performance_campaign_type__paid__unpaid__organic.94e7362467",
            "test.bitcoin_rewards.not_null_campaign_performance_spend.aa0d3f5bde",
            "test.bitcoin_rewards.not_null_campaign_performance_conversions.0df186b8d7",
            "test.bitcoin_rewards.not_null_campaign_performance_revenue.59f51b9835",
            "test.bitcoin_rewards.not_null_campaign_performance_rewards.7a1a266461"
        ]
    },
    {
        "task": "marts.channel_attribution",
        "run": "build",
        "after": ["intermediate.int_attribution_weights", "marts.channel_performance"],
        "nodes": [
            "model.bitcoin_rewards.channel_attribution",
            "test.bitcoin_rewards.assert_attribution_conserves_revenue",
            "test.bitcoin_rewards.assert_spend_is_conserved",
            "test.bitcoin_rewards.unique_channel_attribution_channel.1913a0b9f4",
            "test.bitcoin_rewards.not_null_channel_attribution_channel.7d5a2e3510",
            "test.bitcoin_rewards.relationships_channel_attribution_channel__channel__ref_channel_performance_.2459219ab0",
            "test.bitcoin_rewards.not_null_channel_attribution_spend.bd4127dbb2"
        ],
        "writes": ["bitcoin_rewards/marts/channel_attribution"]
    },
    {
        "task": "marts.channel_performance",
        "run": "build",
        "after": ["marts.cohort_ltv", "marts.daily_performance", "marts.user_ltv"],
        "nodes": [
            "model.bitcoin_rewards.channel_performance",
            "test.bitcoin_rewards.assert_revenue_and_rewards_are_conserved",
            "test.bitcoin_rewards.assert_roas_is_null_without_spend",
            "test.bitcoin_rewards.unique_channel_performance_channel.0036831583",
            "test.bitcoin_rewards.not_null_channel_performance_channel.687e1d6b2b",
            "test.bitcoin_rewards.accepted_values_channel_performance_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.7847e21a3f",
            "test.bitcoin_rewards.not_null_channel_performance_spend.c11fbd203c",
            "test.bitcoin_rewards.not_null_channel_performance_conversions.9e32524db0",
            "test.bitcoin_rewards.not_null_channel_performance_revenue.ba7975be54",
            "test.bitcoin_rewards.not_null_channel_performance_rewards.030a4cb99e",
            "test.bitcoin_rewards.relationships_campaign_performance_channel__channel__ref_channel_performance_.8290fce3fa"
        ],
        "writes": ["bitcoin_rewards/marts/campaign_performance", "bitcoin_rewards/marts/channel_performance"]
    },
    {
        "task": "marts.cohort_ltv",
        "run": "build",
        "after": ["intermediate.int_data_window", "intermediate.int_user_revenue_daily"],
        "nodes": [
            "model.bitcoin_rewards.cohort_ltv",
            "test.bitcoin_rewards.unique_together_cohort_ltv_install_week__age_week.9f4166f425",
            "test.bitcoin_rewards.not_null_cohort_ltv_install_week.aa99b03dc9",
            "test.bitcoin_rewards.not_null_cohort_ltv_age_week.6d3b6b7b22",
            "test.bitcoin_rewards.not_negative_cohort_ltv_age_week.7755fefaf5",
            "test.bitcoin_rewards.not_null_cohort_ltv_is_complete.7ab17b07a5",
            "test.bitcoin_rewards.not_null_cohort_ltv_revenue.99c7ae86a2",
            "test.bitcoin_rewards.not_null_cohort_ltv_rewards.a472d68b7d",
            "test.bitcoin_rewards.not_null_cohort_ltv_ltv_per_user.bad6f760d3"
        ],
        "writes": ["bitcoin_rewards/marts/cohort_ltv"]
    },
    {
        "task": "marts.daily_performance",
        "run": "build",
        "after": ["intermediate.int_campaign_daily"],
        "nodes": [
            "model.bitcoin_rewards.daily_performance",
            "test.bitcoin_rewards.unique_daily_performance_campaign_day_id.1364139f2d",
            "test.bitcoin_rewards.not_null_daily_performance_campaign_day_id.1873f51a0f",
            "test.bitcoin_rewards.not_null_daily_performance_performance_date.17b003d309",
            "test.bitcoin_rewards.not_null_daily_performance_campaign_id.f91dd8be41",
            "test.bitcoin_rewards.relationships_daily_performance_campaign_id__campaign_id__ref_int_campaigns_.8ed8d97882",
            "test.bitcoin_rewards.not_null_daily_performance_channel.9ad885a3ab",
            "test.bitcoin_rewards.accepted_values_daily_performance_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.cd44b1d819",
            "test.bitcoin_rewards.not_null_daily_performance_spend.26e50cee16",
            "test.bitcoin_rewards.not_null_daily_performance_conversions.8b69b42c18",
            "test.bitcoin_rewards.not_null_daily_performance_revenue.bad6d85a3c",
            "test.bitcoin_rewards.not_null_daily_performance_rewards.0fc80bcd61"
        ],
        "writes": ["bitcoin_rewards/marts/daily_performance"]
    },
    {
        "task": "marts.user_ltv",
        "run": "build",
        "after": ["intermediate.int_data_window", "marts.users_enriched"],
        "nodes": [
            "model.bitcoin_rewards.user_ltv",
            "test.bitcoin_rewards.unique_user_ltv_user_id.92b440e63e",
            "test.bitcoin_rewards.not_null_user_ltv_user_id.64d16edb2e",
            "test.bitcoin_rewards.relationships_user_ltv_user_id__user_id__ref_users_enriched_.72e4b7485f",
            "test.bitcoin_rewards.not_null_user_ltv_campaign_id.4964de35ed",
            "test.bitcoin_rewards.relationships_user_ltv_campaign_id__campaign_id__ref_campaign_performance_.a0afba7d2f",
            "test.bitcoin_rewards.not_null_user_ltv_channel.1c450ab2ac",
            "test.bitcoin_rewards.accepted_values_user_ltv_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.03b264fa69",
            "test.bitcoin_rewards.not_null_user_ltv_installed_on.fccdb09253",
            "test.bitcoin_rewards.not_null_user_ltv_days_observed.164ae6b016",
            "test.bitcoin_rewards.not_null_user_ltv_revenue.373ae439e7",
            "test.bitcoin_rewards.not_null_user_ltv_rewards.0fa36f4552",
            "test.bitcoin_rewards.not_null_user_ltv_ltv.90b184552e",
            "test.bitcoin_rewards.not_null_user_ltv_acquisition_cost.f21d68b404",
            "test.bitcoin_rewards.not_negative_user_ltv_acquisition_cost.1b8d2ea155",
            "test.bitcoin_rewards.not_null_user_ltv_profit.6b4c2cdff1",
            "test.bitcoin_rewards.not_null_user_ltv_is_paid_back.8a29470314"
        ],
        "writes": ["bitcoin_rewards/marts/user_ltv"]
    },
    {
        "task": "marts.users_enriched",
        "run": "build",
        "after": ["marts.campaign_performance"],
        "nodes": [
            "model.bitcoin_rewards.users_enriched",
            "test.bitcoin_rewards.unique_users_enriched_user_id.f3ad7fcb7d",
            "test.bitcoin_rewards.not_null_users_enriched_user_id.fe2b6ac3b8",
            "test.bitcoin_rewards.relationships_users_enriched_user_id__user_id__ref_stg_users_.1bff072675",
            "test.bitcoin_rewards.not_null_users_enriched_installed_at.595881dda1",
            "test.bitcoin_rewards.not_null_users_enriched_installed_on.fae635d9c3",
            "test.bitcoin_rewards.not_null_users_enriched_campaign_id.cab9592afc",
            "test.bitcoin_rewards.relationships_users_enriched_campaign_id__campaign_id__ref_campaign_performance_.1cad5ec88d",
            "test.bitcoin_rewards.not_null_users_enriched_channel.25a2b8b91e",
            "test.bitcoin_rewards.accepted_values_users_enriched_channel__apple_search_ads__email__facebook__google__influencer__organic__reddit__referral__tiktok__x.a261a05793",
            "test.bitcoin_rewards.not_null_users_enriched_campaign_type.487389361b",
            "test.bitcoin_rewards.accepted_values_users_enriched_campaign_type__paid__unpaid__organic.fe3026d508",
            "test.bitcoin_rewards.not_null_users_enriched_total_revenue.0d922e50a5",
            "test.bitcoin_rewards.not_null_users_enriched_total_rewards.758274d374",
            "test.bitcoin_rewards.not_null_users_enriched_ltv.0027721a2a",
            "test.bitcoin_rewards.relationships_users_enriched_first_touch_campaign_id__campaign_id__ref_int_campaigns_.bf8af19093",
            "test.bitcoin_rewards.relationships_users_enriched_last_touch_campaign_id__campaign_id__ref_int_campaigns_.62b894e87e",
            "test.bitcoin_rewards.not_null_users_enriched_is_converted.6e32c9838c",
            "test.bitcoin_rewards.not_negative_users_enriched_days_to_convert.814b683af5",
            "test.bitcoin_rewards.not_null_users_enriched_value_segment.4a1512b5c2",
            "test.bitcoin_rewards.accepted_values_users_enriched_value_segment__payer__never_paid__reward_heavy.422ec32da6"
        ],
        "writes": ["bitcoin_rewards/marts/users_enriched"]
    },
    {
        "task": "exports.budget_recommendation_file",
        "run": "export files",
        "after": ["marts.budget_recommendation"],
        "nodes": ["export.bitcoin_rewards.budget_recommendation_file"]
    },
    {
        "task": "exports.campaign_performance_sheet",
        "run": "export sheets",
        "after": ["marts.campaign_performance"],
        "nodes": ["export.bitcoin_rewards.campaign_performance_sheet"]
    },
    {
        "task": "exports.channel_performance_sheet",
        "run": "export sheets",
        "after": ["marts.channel_performance"],
        "nodes": ["export.bitcoin_rewards.channel_performance_sheet"]
    },
]

# The box that each group of tasks is drawn in. Groups that wait for each other share one.
GROUPS = {
    "exports": "exports",
    "intermediate": "staging_intermediate",
    "marts": "marts",
    "seeds": "seeds",
    "staging": "staging_intermediate",
}
# fmt: on

# The environment of every task. Airflow renders none of it: braces are only braces.
ENVIRONMENT = {
    "STRATA_COMMAND": "strata",
    "STRATA_PROJECT_DIR": os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    "STRATA_ORCHESTRATED": "1",
    "STRATA_GRAPH": "38dbb4fb49c8d13d",
    "STRATA_GRAPH_SPEC": '{"by":"model"}',
    "STRATA_GRAPH_FILE": os.path.abspath(__file__),
}

# Only what another try may mend is tried again: see the operator.
RETRIES = {
    "build": {"retries": 2},
    "test": {"retries": 0},
    "export sheets": {"retries": 5, "retry_exponential_backoff": True, "max_retry_delay": timedelta(hours=1)},
    "export files": {"retries": 5, "retry_exponential_backoff": True, "max_retry_delay": timedelta(hours=1)},
}

# What models read as var('data_interval_start') and var('data_interval_end'). A run without a logical date has no
# interval: it gets the 24 hours before it was due.
INTERVAL = """\
{%- if data_interval_start is defined and data_interval_start -%}
{%- set start, end = data_interval_start, data_interval_end -%}
{%- else -%}
{%- set start, end = dag_run.run_after - macros.timedelta(hours=24), dag_run.run_after -%}
{%- endif -%}
{"data_interval_start": "{{ start.isoformat() }}", "data_interval_end": "{{ end.isoformat() }}"}"""


# Exit codes that come out the same however often they are tried.
FINAL = {
    1: "a node, a test or an export failed",
    2: "a mistake in the command, the configuration or the project",
    3: "the project no longer matches this file: run `strata export airflow` again",
    126: "the program cannot be executed",
    127: "the program was not found",
}


class StrataOperator(BashOperator):
    """Runs one command of Strata. Airflow's retries are spent on what another try may mend."""

    template_fields = ("strata_vars",)
    template_fields_renderers = {"strata_vars": "json"}
    template_ext = ()
    strata_vars = INTERVAL

    def execute(self, context):
        env = {**self.get_env(context), "STRATA_VARS": self.strata_vars}
        result = self.subprocess_hook.run_command(["bash", "-c", self.bash_command], env=env)
        code = result.exit_code
        if code == 0:
            return result.output  # the last line: a summary as JSON
        if code == 75:
            raise AirflowException("Exit code 75: the database or a service was busy or cut off")
        if code < 0 or 128 < code <= 192:
            raise AirflowException(f"Ended by signal {-code if code < 0 else code - 128}")
        raise AirflowFailException(f"Exit code {code}: {FINAL.get(code, 'unknown')}")


with DAG(
    dag_id="bitcoin_rewards",
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    catchup=False,
    max_active_runs=1,
    tags=["strata", "marketing"],
    # DuckDB: one process at a time can have the file open.
    max_active_tasks=1,
    default_args={
        "owner": "growth",
        "retry_delay": timedelta(seconds=300),
        "append_env": True,
        "skip_on_exit_code": None,
    },
) as dag:
    groups, tasks = {}, {}
    for row in TASKS:
        group = GROUPS.get(row["task"].rpartition(".")[0])
        if group and group not in groups:
            groups[group] = TaskGroup(group, prefix_group_id=False)
        nodes = " ".join(row["nodes"])
        tasks[row["task"]] = StrataOperator(
            task_id=row["task"],
            task_group=groups.get(group),
            bash_command='exec "$STRATA_COMMAND" ' + row["run"],
            env={
                **ENVIRONMENT,
                "STRATA_TASK": row["task"],
                # A value holds 128 KiB at most; the tool finds a longer list by the name of the task.
                "STRATA_NODES": nodes if len(nodes) < 100_000 else "",
            },
            inlets=[Asset(asset) for asset in row.get("reads", [])],
            outlets=[Asset(asset) for asset in row.get("writes", [])],
            **RETRIES[row["run"]],
        )
    for row in TASKS:
        tasks[row["task"]].set_upstream([tasks[name] for name in row["after"]])
