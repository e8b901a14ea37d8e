{# The spellings seen in the raw data, lower case and trimmed, for each channel.
   A new spelling is added here; until then it stays as it is, and the accepted_values test of staging names it. #}
{% macro channel_spellings() %}
    {{ return({
        'apple_search_ads': ['apple_search_ads', 'apple search ads', 'asa'],
        'email': ['email', 'e-mail'],
        'facebook': ['facebook', 'facebook ads', 'fb', 'meta ads'],
        'google': ['google', 'google ads', 'google_ads', 'adwords'],
        'influencer': ['influencer', 'influencers', 'creators'],
        'organic': ['organic', ''],
        'reddit': ['reddit', 'reddit ads'],
        'referral': ['referral', 'refer a friend'],
        'tiktok': ['tiktok', 'tiktok ads', 'tik tok'],
        'x': ['x', 'twitter', 'twitter ads']
    }) }}
{% endmacro %}

{# One name for each channel, whatever the source calls it. No channel at all means organic. #}
{% macro conform_channel(column) -%}
    {%- set spelling = "coalesce(lower(trim(" ~ column ~ ")), '')" -%}
    case
        {%- for channel, spellings in channel_spellings().items() %}
        when {{ spelling }} in ('{{ spellings | join("', '") }}') then '{{ channel }}'
        {%- endfor %}
        else {{ spelling }}
    end
{%- endmacro %}

{# The key of the campaign dimension. A paid channel without a campaign gets a key that no campaign has, so that
   the relationships tests find it. #}
{% macro campaign_id(channel, campaign) -%}
    case
        when {{ channel }} = 'organic' and {{ campaign }} is null then 'organic'
        else {{ channel }} || '/' || coalesce({{ campaign }}, '')
    end
{%- endmacro %}

{# A campaign on a day. #}
{% macro campaign_day_id(campaign_id, date) -%}
    {{ campaign_id }} || '/' || cast({{ date }} as varchar)
{%- endmacro %}

{# The row of the spend table that something which a campaign did on a day belongs to. Organic has no such rows. #}
{% macro spend_id(campaign_id, date) -%}
    case when {{ campaign_id }} <> 'organic' then {{ campaign_day_id(campaign_id, date) }} end
{%- endmacro %}
