variable "environment" {
  description = "prod or test; each has its own cluster, buckets and database"
  type        = string
  validation {
    condition     = contains(["prod", "test"], var.environment)
    error_message = "environment is prod or test."
  }
}

variable "region" {
  description = "Near the exchanges' matching engines"
  type        = string
  default     = "ap-northeast-1"
}

variable "cluster_name" {
  description = "The EKS cluster, which exists with the Pod Identity agent add-on"
  type        = string
}

variable "vpc_id" {
  description = "The cluster's VPC"
  type        = string
}

variable "private_subnet_ids" {
  description = "Private subnets in at least two zones"
  type        = list(string)
  validation {
    condition     = length(var.private_subnet_ids) >= 2
    error_message = "Aurora needs subnets in at least two zones."
  }
}

variable "endpoint_subnet_ids" {
  description = "Subnets of the VPC's interface endpoints; deploy/foundation/prod/network.yaml names their range"
  type        = list(string)
}

variable "private_route_table_ids" {
  description = "Route tables of the private subnets, for the S3 gateway endpoint"
  type        = list(string)
}

variable "node_security_group_id" {
  description = "Security group of the cluster's nodes"
  type        = string
}

variable "repository" {
  description = "The GitHub repository whose main branch may push images, as owner/name"
  type        = string
  default     = "kubetrader/platform"
  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.repository))
    error_message = "repository is owner/name, without wildcards: every repository that matches could push images."
  }
}

variable "bedrock_models" {
  description = "Foundation models that research kernels may call, each with the inference profile that routes to it"
  type = map(object({
    model   = string
    profile = string
    regions = list(string)
  }))
  default = {
    claude-sonnet = {
      model   = "anthropic.claude-sonnet-4-20250514-v1:0"
      profile = "apac.anthropic.claude-sonnet-4-20250514-v1:0"
      regions = ["ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2"]
    }
  }
  validation {
    condition     = alltrue([for entry in var.bedrock_models : !strcontains(entry.model, "*") && !strcontains(entry.profile, "*")])
    error_message = "Name each model: a wildcard would let a kernel call, and pay for, any."
  }
}

variable "aurora_capacity" {
  description = "Aurora capacity units, at least and at most; at least 0 lets it sleep after five idle minutes"
  type        = object({ min = number, max = number })
  default     = { min = 0.5, max = 8 }
}
