//! Builds on a real Postgres, directly and through a real PgBouncer. `./test` starts both
//! (`scripts/postgres`) and writes their addresses to the file that STRATA_TEST_PG names. Without
//! that file these tests are skipped, with a message.

mod comments;
mod differential;
mod faults;
mod materialized_views;
mod orphans;
mod server;
mod swap;

pub(crate) use server::{Server, project};

#[test]
fn what_is_built_directly_through_a_pooler_and_over_tls_is_equal() {
    let Some(server) = Server::new("connections") else { return };
    let files: &[(&str, &str)] = &[
        ("seeds/s.csv", "id,amount,day,note\n1,1.50,2024-01-31,a\n2,,2024-02-01,\n"),
        ("models/v.sql", "select * from {{ ref('s') }}"),
        (
            "models/t.sql",
            "{{ config(materialized='table', indexes=[{'columns': ['id'], 'unique': true}]) }} select id, amount from {{ ref('v') }}",
        ),
        (
            "models/i.sql",
            "{{ config(materialized='incremental', unique_key='id') }} select id, amount from {{ ref('t') }}{% if is_incremental() %} where id > (select max(id) - 1 from {{ this }}){% endif %}",
        ),
        (
            "models/s.yml",
            "models: [{name: i, columns: [{name: id, data_tests: [unique, not_null]}]}]",
        ),
    ];
    for (target, schema) in
        [("direct", "direct"), ("pooled", "pooled"), ("tls", "tls"), ("socket", "socket")]
    {
        let p = project(&server, files);
        for _ in 0..2 {
            p.ok(&["build", "--target", target]);
        }
        let schema = server.schema(schema);
        let rows =
            server.rows(&format!("select id, amount, day, note from {schema}.v order by id"));
        assert_eq!(rows, ["1|1.5|2024-01-31|a", "2|null|2024-02-01|null"], "{target}");
        assert_eq!(server.rows(&format!("select count(*) from {schema}.i")), ["2"], "{target}");
    }
}

#[test]
fn snapshots_note_changes_and_deletions() {
    let Some(server) = Server::new("snapshots") else { return };
    let p = project(
        &server,
        &[
            (
                "snapshots/by_check.sql",
                "{% snapshot by_check %}{{ config(strategy='check', unique_key='id', check_cols='all', hard_deletes='new_record') }} select * from {{ source('raw', 'people') }}{% endsnapshot %}",
            ),
            (
                "snapshots/s.yml",
                "sources: [{name: raw, schema: \"{{ target.schema }}\", tables: [{name: people}]}]\nsnapshots:\n  - name: by_time\n    relation: source('raw', 'people')\n    config: {strategy: timestamp, unique_key: [id], updated_at: at, hard_deletes: invalidate, dbt_valid_to_current: \"to_date('9999-12-31', 'YYYY-MM-DD')\", snapshot_meta_column_names: {dbt_valid_to: until}}\n",
            ),
        ],
    );
    let schema = server.schema("direct");
    server.run(&format!(
        "create schema {schema}; create table {schema}.people (id int, name text, at timestamp); insert into {schema}.people values (1, 'a', '2024-01-01'), (2, 'b', '2024-01-01')"
    ));
    p.ok(&["snapshot"]);
    server.run(&format!(
        "update {schema}.people set name = 'A', at = '2024-02-01' where id = 1; delete from {schema}.people where id = 2"
    ));
    p.ok(&["snapshot"]);
    let rows = server.rows(&format!(
        "select id, name, dbt_is_deleted, dbt_valid_to is null from {schema}.by_check order by id, dbt_valid_from, dbt_is_deleted"
    ));
    assert_eq!(rows, ["1|a|False|false", "1|A|False|true", "2|b|False|false", "2|b|True|true"]);
    let rows = server.rows(&format!(
        "select id, name, until::date from {schema}.by_time order by id, dbt_valid_from"
    ));
    assert_eq!(rows[..2], ["1|a|2024-02-01".to_owned(), "1|A|9999-12-31".to_owned()]);
    assert!(rows.len() == 3 && !rows[2].contains("9999"), "{rows:?}");
}

#[test]
fn a_seed_is_typed_and_loaded_as_dbt_does() {
    let Some(server) = Server::new("seeds") else { return };
    let p = project(
        &server,
        &[
            (
                "seeds/s.csv",
                "i,f,d,t,b,x,z,forced\n1.0,$1.50,2024-01-31,2024-01-31 10:00:00,true,\"a\tb\\c\",,007\n\"1,000\",10%,null,,FALSE,\"two\nlines\",,null\n",
            ),
            (
                "project.yml",
                "name: shop\nprofile: shop\nseeds: {shop: {s: {+column_types: {forced: varchar(9)}}}}\n",
            ),
        ],
    );
    p.ok(&["seed"]);
    let schema = server.schema("direct");
    let rows =
        server.rows(&format!("select i, f, d, t, b, x, z, forced from {schema}.s order by i"));
    assert_eq!(
        rows,
        [
            "1|1.5|2024-01-31|2024-01-31 10:00:00|true|a\tb\\c|null|007",
            "1000|10|null|null|false|two\nlines|null|null"
        ]
    );
    let types = server.rows(&format!(
        "select string_agg(format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute where attrelid = '{schema}.s'::regclass and attnum > 0"
    ));
    assert_eq!(
        types,
        [
            "integer, double precision, date, timestamp without time zone, boolean, text, integer, character varying(9)"
        ]
    );
    // A value that does not fit is reported with its row and column, and the published seed is
    // kept.
    p.write("seeds/s.csv", "i,f,d,t,b,x,z,forced\n1,1,,,,,,x\n99999999999,1,,,,,,y\n");
    let ran = p.run(&["seed"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("line 2, column i"), "{}", ran.err);
    assert!(ran.err.contains("22003"), "{}", ran.err);
    assert_eq!(server.rows(&format!("select count(*) from {schema}.s")), ["2"]);
}

#[test]
fn types_of_a_big_seed_are_those_of_all_its_rows() {
    let Some(server) = Server::new("bigseed") else { return };
    let rows = |more: &str| {
        let mut text = "a,b,c,d\n".to_owned();
        (0..10_500).for_each(|i| text.push_str(&format!("{i},1,2,2024-01-31\n")));
        text.push_str(more);
        text
    };
    let p = project(&server, &[("seeds/s.csv", &rows("7,x,2.5,\n"))]);
    p.ok(&["seed"]);
    let schema = server.schema("direct");
    let types = server.rows(&format!(
        "select string_agg(format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute where attrelid = '{schema}.s'::regclass and attnum > 0"
    ));
    assert_eq!(types, ["integer, text, double precision, date"]);
    assert_eq!(
        server.rows(&format!("select count(*), sum(c), max(b) from {schema}.s")),
        ["10501|21002.5|x"]
    );
    // A row with too many fields is reported with its line, however late it comes, and the
    // published seed is kept.
    p.write("seeds/s.csv", &rows("7,x,1,2024-01-31,5\n"));
    let ran = p.run(&["seed"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("line 10502: this row has 5 fields, the header 4"), "{}", ran.err);
    assert_eq!(server.rows(&format!("select count(*) from {schema}.s")), ["10501"]);
}

/// (unique id, status, failures) of the last run, ids without their hashes.
fn outcomes(p: &crate::project::Project) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(&p.read("target/run_results.json")).unwrap();
    let one =
        |r: &serde_json::Value| format!("{} {} {}", r["unique_id"], r["status"], r["failures"]);
    let mut all: Vec<String> = json["results"].as_array().unwrap().iter().map(one).collect();
    all.sort();
    all
}

#[test]
fn row_tests_in_one_scan_count_as_they_do_one_by_one() {
    let Some(server) = Server::new("fused") else { return };
    let accepted = |values: &str, more: &str| {
        format!("{{accepted_values: {{arguments: {{values: [{values}]{more}}}}}}}")
    };
    let columns = format!(
        "- {{name: n, data_tests: [not_null, {}, unique]}}\n      - {{name: t, data_tests: [not_null, {}, {}]}}\n      - {{name: gone, data_tests: [not_null]}}\n      - {{name: w, data_tests: [{{not_null: {{config: {{severity: warn}}}}}}, {{not_null: {{name: w_where, config: {{where: 'n > 1'}}}}}}]}}",
        accepted("1, 2, 3", ", quote: false"),
        accepted("a, b, \"it's\"", ""),
        accepted("a, b, c, d", "")
    );
    let files = [
        (
            "models/m.sql",
            "{{ config(materialized='table') }} select * from (values (1, 'a', null), (2, 'b', 'x'), (2, null, 'x')) as v(n, t, w)",
        ),
        ("models/s.yml", &format!("models:\n  - name: m\n    columns:\n      {columns}\n")),
    ];
    let fused = project(&server, &files);
    let ran = fused.run(&["build", "--debug"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    // If the project overrides the macro, each test runs on its own.
    let apart = project(&server, &files);
    apart.write("macros/own.sql", "{% macro get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) %}{{ return(dbt.get_test_sql(main_sql, fail_calc, warn_if, error_if, limit)) }}{% endmacro %}");
    assert_eq!(apart.run(&["build"]).code, 1);
    let (a, b) = (outcomes(&fused), outcomes(&apart));
    assert_eq!(a, b);
    assert!(a.iter().any(|o| o.contains("not_null_m_n.") && o.ends_with("\"pass\" 0")), "{a:?}");
    assert!(a.iter().any(|o| o.contains("not_null_m_t.") && o.ends_with("\"fail\" 1")), "{a:?}");
    assert!(a.iter().any(|o| o.contains("not_null_m_w.") && o.ends_with("\"warn\" 1")), "{a:?}");
    assert!(a.iter().any(|o| o.contains("not_null_m_gone.") && o.contains("\"error\"")), "{a:?}");
    // The scan failed because of the missing column, so all of its tests ran on their own. Without
    // that column, the scan succeeds.
    let whole =
        ("models/s.yml", &files[1].1.replace("      - {name: gone, data_tests: [not_null]}\n", ""));
    let p = project(&server, &[files[0], (whole.0, whole.1)]);
    p.run(&["build"]);
    assert_eq!(outcomes(&p), b.into_iter().filter(|o| !o.contains("_gone.")).collect::<Vec<_>>());
}

#[test]
fn names_over_the_limit_are_refused_not_cut() {
    let Some(server) = Server::new("names") else { return };
    let long = "a_name_that_is_just_a_little_longer_than_postgres_has_room_for_it_";
    let p = project(
        &server,
        &[
            (&format!("models/{long}.sql"), "select 1 as x"),
            (
                "models/fits_to_the_last_letter_of_what_an_identifier_may_have_here_12.sql",
                "{{ config(materialized='table') }} select 1 as x",
            ),
        ],
    );
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("63") && ran.err.contains("alias"), "{}", ran.err);
    assert_eq!(p.status("model.shop.fits"), "success");
    p.ok(&["build", "--select", "fits_to*"]);
}

#[test]
fn messages_have_the_state_and_the_place_in_the_template() {
    let Some(server) = Server::new("messages") else { return };
    let p = project(
        &server,
        &[("models/bad.sql", "-- é\nselect 1 as a,\n  nope from (select 2 as b) x")],
    );
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("column \"nope\" does not exist (SQLSTATE 42703)"), "{}", ran.err);
    assert!(ran.err.contains("models/bad.sql:3:3"), "{}", ran.err);
}

#[test]
fn what_cannot_be_built_is_told_by_name_and_leaves_nothing() {
    let Some(server) = Server::new("mistakes") else { return };
    let p = project(
        &server,
        &[
            ("seeds/s.csv", "a,b\n1,2\n"),
            (
                "models/i.sql",
                "{{ config(materialized='incremental', incremental_strategy='insert_overwrite', unique_key='a') }} select 1 as a",
            ),
            (
                "snapshots/n.yml",
                "snapshots: [{name: n, relation: ref('s'), config: {strategy: timestamp, unique_key: a}}]",
            ),
        ],
    );
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 2 && ran.err.contains("the snapshot `n` needs `updated_at`"),
        "{}",
        ran.err
    );
    p.remove("snapshots/n.yml");
    let ran = p.run(&["build"]);
    assert!(ran.code == 1 && ran.err.contains("`insert_overwrite`"), "{}", ran.err);
    p.write("seeds/s.csv", "x,b\n1,2\n");
    let ran = p.run(&["seed"]);
    let said = "the columns of seeds/s.csv are x, b; those of";
    assert!(
        ran.code == 1 && ran.err.contains(said) && ran.err.contains("--full-refresh"),
        "{}",
        ran.err
    );
    let schema = server.schema("direct");
    let left = format!(
        "select count(*) from pg_class where relnamespace = '{schema}'::regnamespace and relname like '%\\_\\_candidate'"
    );
    assert_eq!(server.rows(&left), ["0"]);
    p.ok(&["seed", "--full-refresh"]);
}

#[test]
fn files_of_exports_are_equal_on_both_engines() {
    let Some(server) = Server::new("exports") else { return };
    let model = r#"select id, cast(amount as decimal(10, 2)) as amount, day, note, flag from (values
        (1, cast(2.50 as decimal(10, 2)), cast('2024-01-31' as date), 'a, "b"', true),
        (2, null, null, '=1+1', false)) as t(id, amount, day, note, flag)"#;
    let files: &[(&str, &str)] = &[
        ("models/t.sql", &format!("{{{{ config(materialized='table') }}}} {model}")),
        (
            "models/t.yml",
            "exports:\n  - {name: c, type: csv, model: ref('t')}\n  - {name: j, type: json, model: ref('t')}\n  - {name: p, type: \
             parquet, model: ref('t')}\n",
        ),
    ];
    let (there, here) = (project(&server, files), crate::project::Project::new(files));
    there.ok(&["build", "--target", "pooled"]);
    there.ok(&["export", "files", "--target", "pooled"]);
    here.ok(&["build"]);
    here.ok(&["export", "files"]);
    for file in ["c.csv", "j.json"] {
        let path = format!("target/exports/{file}");
        assert_eq!(there.read(&path), here.read(&path), "{file}");
    }
    let parquet = |p: &crate::project::Project| {
        let path = p.path().join("target/exports/p.parquet");
        let types = "typeof(id), typeof(amount), typeof(day), typeof(note), typeof(flag)";
        here.rows(&format!("select *, {types} from '{}' order by id", path.display()))
    };
    assert_eq!(parquet(&there), parquet(&here));
    assert!(
        parquet(&there)[0].ends_with("INTEGER|DECIMAL(10,2)|DATE|VARCHAR|BOOLEAN"),
        "{:?}",
        parquet(&there)
    );
}

#[test]
fn a_query_without_rows_has_columns_whatever_words_it_has() {
    let Some(server) = Server::new("no_rows") else { return };
    let query = "select 1 as x, 2 as updated_at where false -- update or delete";
    let p = project(
        &server,
        &[
            (
                "models/m.sql",
                &format!(
                    "{{{{ config(materialized='table') }}}} select {{% if execute %}}'{{{{ run_query(\"{query}\").column_names | join(',') }}}} \
                     {{{{ get_columns_in_query('select 1 as deleted') | join(',') }}}} \
                     {{{{ run_query('with w as (insert into ' ~ target.schema ~ '.log select 1 where false returning id as merged) select * from w').column_names | join(',') }}}}' \
                     {{% endif %}} as c"
                ),
            ),
            (
                "snapshots/s.yml",
                "snapshots: [{name: snap, relation: ref('changes'), config: {strategy: check, unique_key: id, check_cols: all}}]",
            ),
            ("models/changes.sql", "select 1 as id, current_date as updated_at where false"),
        ],
    );
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        server.run(&format!("create schema if not exists {s}; create table {s}.log (id int)"));
        for _ in 0..2 {
            p.ok(&["build", "--target", target]);
        }
        assert_eq!(
            server.rows(&format!("select c from {s}.m")),
            ["x,updated_at deleted merged"],
            "{target}"
        );
        assert_eq!(server.rows(&format!("select count(*) from {s}.log")), ["0"]);
    }
}
