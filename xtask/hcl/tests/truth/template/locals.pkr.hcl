# Console reads single lines: what needs several lines stands here.

locals {
  later  = local.sooner + 1
  sooner = local.soonest * 2
  # 64 ones: more digits than a double holds
  soonest = 1111111111111111111111111111111111111111111111111111111111111111

  heredoc = <<EOT
first ${var.str}
  second
EOT

  heredoc_indented = <<-EOT
    first
      second ${upper(var.str)}
    third
  EOT

  heredoc_blank_lines = <<-EOT
      a

    b

      c
  EOT

  heredoc_tabs = <<-EOT
		tab
			deeper
	EOT

  heredoc_escapes = <<EOT
no \n escape, "quotes", $${not} %%{not}, $ and % alone
EOT

  heredoc_interpolated_indent = <<-EOT
    ${"    "}indented
      x
  EOT

  heredoc_for = <<EOT
%{for s in var.strings}
- ${s}
%{endfor}
EOT

  heredoc_for_strip = <<EOT
%{for i, s in var.strings~}
${i}: ${s}
%{endfor~}
end
EOT

  heredoc_if = <<-EOT
    %{if var.flag}
    yes
    %{else}
    no
    %{endif}
  EOT

  heredoc_if_strip = <<-EOT
    %{if !var.flag~}
    yes
    %{~else~}
    no
    %{~endif~}
    after
  EOT

  heredoc_strip_left = <<EOT
a   ${~"b"}
c ${"d"~}   
  e
EOT

  heredoc_nested = <<-EOT
    %{for k, v in var.string_map~}
    %{if v == "2"~}
    ${k} is two
    %{else~}
    ${k} is ${v}
    %{endif~}
    %{endfor~}
  EOT

  multi_line_call = join("-", [
    "a", # a comment
    "b", // another
    /* and another */ "c",
  ])

  multi_line_object = {
    plain    = 1
    "quoted" = 2
    (var.str) = 3
    colon : 4, comma = 5
  }

  yaml_document = <<-EOT
    name: demo
    version: 1.10
    count: 3
    on: true
    list:
      - one
      - 2
      - null
      - "3"
    nested: {a: 1, b: [x, y]}
    text: |
      line one
      line two
    folded: >-
      folded
      text
    base: &base
      a: 1
      b: 2
    merged:
      <<: *base
      b: 3
    date: 2024-02-29
    hex: 0x1F
    octal: 010
    tagged: !!str 12
  EOT

  csv_document = <<-EOT
    name,size
    a,1
    "b, quoted","2
    lines"
    "say ""hi""",3
  EOT

  json_document = <<-EOT
    {
      "a": [1, 2.5, -3e2, true, null],
      "b": {"c": "d \u00e9 \ud83d\ude00"},
      "big": 12345678901234567890123456789
    }
  EOT

  private_key = file("rsa.pem")
}

local "single" {
  expression = "a local block"
}

local "secret" {
  expression = "swordfish"
  sensitive  = true
}

local "object_unknown" {
  expression = { known = 1, unknown = var.unset }
}
